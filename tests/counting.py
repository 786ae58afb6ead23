# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counts of work, for tests that must not depend on the speed or load of the machine."""

import sys
from collections.abc import Callable
from types import FrameType

__all__ = ["python_calls"]


def python_calls(work: Callable[[], object]) -> int:
    """Return the number of Python function calls that `work` makes in this thread."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return calls
