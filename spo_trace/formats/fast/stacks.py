# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stacks that the compiled scanner found: the stack_id of each of its strings."""

import numpy as np
import numpy.typing as npt

from spo_trace.formats.frame import are_frames
from spo_trace.formats.stack_table import StackTable

__all__ = ["ScannedStacks"]

_HANDLE = b"handle: "


class ScannedStacks:
    """Map one scanner's strings of kind STACK to stack_ids, assigned when a row first has the stack."""

    def __init__(self) -> None:
        self._printed: dict[int, tuple[bytes, int | None]] = {}
        self._ids = np.full(1 << 10, -1, np.int64)
        # Strings with a line that is not a frame: only the reference parser can read them.
        self.odd: list[int] = []

    def add(self, number: int, text: bytes) -> None:
        """Store string `number`: the lines of a stack, a line with its handle, or both."""
        lines, handle = _split(text)
        self._printed[number] = lines, handle
        if not are_frames(lines):
            self.odd.append(number)
        while number >= len(self._ids):
            self._ids = np.concatenate([self._ids, np.full_like(self._ids, -1)])

    def ids(self, numbers: npt.NDArray[np.intp], stacks: StackTable) -> npt.NDArray[np.uint32]:
        """Return the stack_ids of these strings; new ones are interned in order of first appearance."""
        unknown = numbers[self._ids.take(numbers) < 0]
        for number in dict.fromkeys(unknown.tolist()):
            self._ids[number] = stacks.intern_printed(*self._printed.pop(number))
        return self._ids.take(numbers).astype(np.uint32)


# The scanner has checked the handle (handle_end() in native/text.h); frames begin with a space.
def _split(text: bytes) -> tuple[bytes, int | None]:
    start = text.rfind(b"\n", 0, -1) + 1
    if text.startswith(_HANDLE, start):
        return text[:start], int(text[start + len(_HANDLE) :])
    return text, None
