# SPDX-License-Identifier: LGPL-2.1-or-later
"""Handles in place of stacks: each distinct stack is numbered, and its number is printed instead of its lines.

Only a record that is understood to its last byte is changed. native/collect/stacks.c does the same.
"""

import re

from spo_trace.collector.packed import Packed
from spo_trace.limits import MAX_FRAME_BYTES, MAX_ORDER, MAX_STACKS, MAX_STACKS_FILE_BYTES

__all__ = ["LONGEST_RECORD", "PAGE", "SWAP", "Stacks", "number_of", "prints_handle"]

# c8f61cfc871f, 5.0: a read of page_owner returns at most PAGE_SIZE, which is up to 64 KiB.
LONGEST_RECORD = 1 << 16

# A comm has up to 15 bytes, and may itself contain the text that follows it.
_ALLOCATOR = rb", pid -?\d{1,9}, tgid -?\d{1,9} \((?>(?P<comm>.{0,15})(?=\), ts ))\), ts \d{1,18} ns"
_SPANS = rb"\([^()\n]*\)"

# The first two lines as native/page_lines.h and native/swap_lines.h read them.
PAGE = re.compile(
    rb"Page allocated via order (?P<order>\d{1,18}), mask 0x[0-9a-f]{1,8}"
    + _SPANS
    + _ALLOCATOR
    + rb"(?:, free_ts \d{1,18} ns)?(?: \(swapped\))?\n"
    rb"PFN (?P<number>0x[0-9a-f]{1,16}|\d{1,18}) type [!-\xff]+ Block \d{1,18} type [!-\xff]+"
    rb" Flags 0x[0-9a-f]{1,16}" + _SPANS + rb"\n",
    re.DOTALL,
)
SWAP = re.compile(
    rb"Page allocated via" + _ALLOCATOR[1:] + rb"\nSWP entry (?P<number>0x[0-9a-f]{1,16})\n",
    re.DOTALL,
)
_FRAMES = re.compile(rb"(?: [^\n]*\n)*")
_TAIL = re.compile(rb"(?:(?:Page has been migrated, last migrate reason: |Charged )[^\n]*\n|Slab cache page\n)*\n")
_FRAME = re.compile(rb" (?:0x[0-9a-f]+|[!-*,-\xff]+\+0x[0-9a-f]+/0x[0-9a-f]+)(?: \[[^]\n]+\])?\n")
_HANDLE = re.compile(rb"handle: (\d{1,10})\n")


class Stacks:
    """Number distinct stacks in order of first appearance."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._bytes = 0

    def replace(self, kind: re.Pattern[bytes], record: bytes) -> bytes:
        """Return a record with a handle in place of its stack, or as it is."""
        if len(record) > LONGEST_RECORD or (start := _body(kind, record)) is None:
            return record
        frames = _FRAMES.match(record, start)
        assert frames is not None
        if not frames[0] or not _TAIL.fullmatch(record, frames.end()):
            return record
        number = self._number(frames[0])
        line = b"handle: %d\n" % number
        if not number or len(line) > len(frames[0]):
            return record
        return record[:start] + line + record[frames.end() :]

    def write(self, file: Packed) -> None:
        """Write show_stacks_handles: the stack of each number, as the kernel prints it (6.19)."""
        for lines, number in self._numbers.items():
            if number:
                file.add(lines)
                file.add(b"handle: %d\n\n" % number)
        file.end()

    # 0 if its record stays as it is.
    def _number(self, lines: bytes) -> int:
        if len(self._numbers) >= MAX_STACKS or self._bytes + len(lines) >= MAX_STACKS_FILE_BYTES // 2:
            return 0
        number = self._numbers.get(lines)
        if number is None:
            self._bytes += len(lines)
            number = self._numbers[lines] = len(self._numbers) + 1 if _are_frames(lines) else 0
        return number


def _body(kind: re.Pattern[bytes], record: bytes) -> int | None:
    found = kind.match(record)
    if found is None or b"\0" in found["comm"] or found.end() >= len(record):
        return None
    if kind is PAGE and int(found["order"]) > MAX_ORDER:
        return None
    return found.end()


def _are_frames(lines: bytes) -> bool:
    return all(len(line) <= MAX_FRAME_BYTES + 1 and _FRAME.fullmatch(line) for line in lines.splitlines(keepends=True))


def number_of(kind: re.Pattern[bytes], record: bytes) -> int | None:
    """Return the PFN or swap entry of a record, None if its first lines are not understood."""
    found = kind.match(record) if _body(kind, record) is not None else None
    return int(found["number"], 0 if found["number"].startswith(b"0x") else 10) if found else None


def prints_handle(record: bytes) -> bool:
    """Check whether a record of page_owner has a handle: in print_mode, the kernel writes it itself."""
    start = _body(PAGE, record)
    if start is None:
        return False
    frames = _FRAMES.match(record, start)
    handle = _HANDLE.match(record, frames.end() if frames else start)
    return handle is not None and int(handle[1]) < 1 << 32
