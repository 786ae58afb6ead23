# SPDX-License-Identifier: LGPL-2.1-or-later
"""Distinct stacks, each kept once: page_owner prints one for every page, but only a few thousand differ."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from spo_trace.formats.distinct import check_stacks
from spo_trace.formats.frame import parse_frames

__all__ = ["Stack", "StackTable", "hash_texts", "named_frames"]


@dataclass(slots=True)
class Stack:
    """Hold one stack: `frames`, innermost first, and its values in page_owner_stacks."""

    stack_id: int
    frames: tuple[str, ...]
    handle: int | None = None
    nr_base_pages: int | None = None


class StackTable:
    """Number distinct stacks in order of first appearance."""

    def __init__(self) -> None:
        self._by_lines: dict[bytes, int] = {}
        self._by_frames: dict[tuple[str, ...], int] = {}
        self._stacks: list[Stack] = []
        # mode=handle (mm.git after 7.2) prints a handle instead of the stack; show_stacks_handles has both.
        self._lines_of_handle: dict[int, bytes] = {}
        self._by_handle: dict[int, int] = {}
        self._by_both: dict[tuple[bytes, int], int] = {}
        self._unknown: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._stacks)

    def __iter__(self) -> Iterator[Stack]:
        return iter(self._stacks)

    def __getitem__(self, stack_id: int) -> Stack:
        return self._stacks[stack_id]

    @property
    def handle_only(self) -> int:
        """Return the number of stacks of which only the handle is known."""
        return len(self._unknown)

    def intern_printed(self, lines: bytes, handle: int | None) -> int:
        """Return the stack_id of what a record prints: the lines of a stack, its handle, or both.

        The same lines and handle give the same stack_id each time, and only the first time can change the table.
        """
        if handle is None:
            return self.intern(lines)
        if not lines:
            return self.intern_handle(handle)
        return self.intern_with_handle(lines, handle)

    def intern(self, lines: bytes) -> int:
        """Return the stack_id of the stack with these lines."""
        stack_id = self._by_lines.get(lines)
        if stack_id is None:
            stack_id = self._by_lines[lines] = self._intern_frames(parse_frames(lines))
        return stack_id

    def intern_with_handle(self, lines: bytes, handle: int) -> int:
        """Return the stack_id of the stack whose lines are `lines` and whose handle is `handle`."""
        stack_id = self._by_both.get((lines, handle))
        if stack_id is None:
            stack_id = self._by_both[lines, handle] = self._intern_both(lines, handle)
        return stack_id

    def intern_handle(self, handle: int) -> int:
        """Return the stack_id of the stack with this stack depot handle; its frames are empty if unknown."""
        stack_id = self._by_handle.get(handle)
        if stack_id is None:
            lines = self._lines_of_handle.get(handle)
            if lines is None:
                stack_id = self._unknown[handle] = self._append(())
            else:
                stack_id = self.intern(lines)
            self.set_handle(stack_id, handle)
        return stack_id

    def know_handle(self, handle: int, lines: bytes) -> None:
        """Remember the stack of a handle, without adding a row."""
        check_stacks(len(self._lines_of_handle))
        self._lines_of_handle[handle] = lines

    def set_handle(self, stack_id: int, handle: int) -> None:
        """Note the stack depot handle of a stack; the first one is kept."""
        stack = self._stacks[stack_id]
        if stack.handle is None:
            stack.handle = handle
        self._by_handle.setdefault(handle, stack_id)

    def fill_handles(self) -> None:
        """Set the handle of each stack in the table if `know_handle` was called with its lines."""
        for handle, lines in self._lines_of_handle.items():
            stack_id = self._by_lines.get(lines)
            if stack_id is None:
                stack_id = self._by_frames.get(parse_frames(lines))
            if stack_id is not None:
                self.set_handle(stack_id, handle)

    def _intern_both(self, lines: bytes, handle: int) -> int:
        stack_id = self._unknown.pop(handle, None)
        if stack_id is None:
            stack_id = self.intern(lines)
            self.set_handle(stack_id, handle)
            return stack_id
        # Only the handle was known until now: add the frames to its row.
        frames = self._stacks[stack_id].frames = parse_frames(lines)
        self._by_frames.setdefault(frames, stack_id)
        return stack_id

    def _intern_frames(self, frames: tuple[str, ...]) -> int:
        stack_id = self._by_frames.get(frames)
        if stack_id is None:
            stack_id = self._by_frames[frames] = self._append(frames)
        return stack_id

    def _append(self, frames: tuple[str, ...]) -> int:
        check_stacks(len(self._stacks) + 1)
        self._stacks.append(Stack(len(self._stacks), frames))
        return len(self._stacks) - 1


def named_frames(frames: Sequence[str], handle: int | None) -> Sequence[str]:
    """Return what identifies a stack: its frames, or its handle if they are unknown, so that two such stacks differ."""
    return frames or ((f"handle: {handle}",) if handle is not None else ())


def hash_texts(texts: Iterable[str]) -> str:
    """Return a hash of texts as 16 hex digits, the same on every machine (BLAKE2b, 64 bits)."""
    return hashlib.blake2b("\n".join(texts).encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
