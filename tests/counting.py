# SPDX-License-Identifier: LGPL-2.1-or-later
"""Count work where a test must not depend on how fast or busy the machine is."""

import sys
from collections.abc import Callable
from types import FrameType

__all__ = ["python_calls"]


def python_calls(work: Callable[[], object]) -> int:
    """Return how many calls of Python functions `work` makes in this thread."""
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
