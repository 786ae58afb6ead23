# SPDX-License-Identifier: LGPL-2.1-or-later
"""What holds for all tests."""

from importlib.util import find_spec

from spo_trace.formats.compiled import use_cache

# Before anything imports numba: its own cache does not notice when a function that another one calls has changed.
if find_spec("numba"):
    use_cache()
