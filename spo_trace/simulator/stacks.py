# SPDX-License-Identifier: LGPL-2.1-or-later
"""The stack depot: each distinct stack once, with the handle that lib/stackdepot.c would assign."""

from dataclasses import dataclass

from spo_trace.simulator.printer import stack_text

__all__ = ["Stack", "StackDepot"]

# lib/stackdepot.c (7.2): pools of 4 pages, records of 32 bytes plus 8 per frame, offsets in units of 16 bytes.
_POOL_BYTES = 4 << 12
_RECORD_HEAD_BYTES = 32
_ALIGN = 16
_OFFSET_SHIFT = 17


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """One stack: depot handle and printed lines; `counted`: its pages are included in nr_base_pages."""

    handle: int
    text: bytes
    counted: bool


class StackDepot:
    """Interned stacks; `stacks` contains them in order of first use."""

    def __init__(self) -> None:
        self.stacks: dict[tuple[str, ...], Stack] = {}
        self._pool = 0
        self._offset = 0

    def save(self, frames: tuple[str, ...], *, counted: bool = True) -> Stack:
        """Return the Stack for `frames`; create it on first use."""
        stack = self.stacks.get(frames)
        if stack is None:
            stack = Stack(self._new_handle(len(frames)), stack_text(frames), counted)
            self.stacks[frames] = stack
        return stack

    def _new_handle(self, nr_frames: int) -> int:
        size = -(-(_RECORD_HEAD_BYTES + 8 * nr_frames) // _ALIGN) * _ALIGN
        if self._offset + size > _POOL_BYTES:
            self._pool += 1
            self._offset = 0
        handle = (self._pool + 1) | (self._offset // _ALIGN) << _OFFSET_SHIFT
        self._offset += size
        return handle
