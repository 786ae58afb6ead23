# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tests of the compiled scanner, where there is a compiler."""

from spo_trace.native import library

if library.load() is None:
    collect_ignore_glob = ["test_*.py"]
