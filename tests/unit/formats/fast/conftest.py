# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tests of the compiled scanner, where there is a compiler."""

from importlib.util import find_spec

if find_spec("numba") is None:
    collect_ignore_glob = ["test_*.py"]
