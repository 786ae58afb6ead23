# SPDX-License-Identifier: LGPL-2.1-or-later
"""ELF dumps: /proc/vmcore and its copies, makedumpfile -E, and QEMU's dump-guest-memory."""

import os
from bisect import bisect_right
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from spo_trace.memory.elf import qemu_page_tables, read_core, vmcoreinfo_in
from spo_trace.memory.physical import Physical
from spo_trace.memory.problem import Problem

__all__ = ["ElfDump"]


class _Range(NamedTuple):
    start: int
    end: int
    offset: int


class ElfDump(Physical):
    """Read an ELF dump by its segments' physical addresses."""

    def __init__(self, file: BinaryIO) -> None:
        """Read the headers; raise Problem if they are damaged."""
        core = read_core(file)
        self._file = file
        self.machine = core.machine
        self.vmcoreinfo = vmcoreinfo_in(core.notes)
        self.page_tables, self.five_levels = qemu_page_tables(core.notes)
        # makedumpfile -E leaves pages out, also those of zeros (-d 1): segments with less in the file than in memory.
        self.omits_zeros = any(segment.file_bytes < segment.memory_bytes for segment in core.segments)
        end = file.seek(0, os.SEEK_END)
        # A dump that was cut off has less than its headers say.
        present = ((s, min(s.file_bytes, end - s.offset)) for s in core.segments)
        self._ranges = _disjoint([_Range(s.physical, s.physical + size, s.offset) for s, size in present if size > 0])
        self.size = sum(one.end - one.start for one in self._ranges)
        self._starts = [one.start for one in self._ranges]
        if not self._ranges:
            raise Problem("the ELF file contains no memory", "take another dump")

    def pieces(self, address: int, size: int) -> Iterator[tuple[int, bytes]]:
        """Yield the parts of a physical range that the dump has, in ascending order, each with its offset."""
        end = address + size
        for one in self._ranges[max(bisect_right(self._starts, address) - 1, 0) :]:
            if one.start >= end:
                return
            start, stop = max(one.start, address), min(one.end, end)
            if start < stop:
                self._file.seek(one.offset + start - one.start)
                data = self._file.read(stop - start)
                if data:
                    yield start - address, data

    def close(self) -> None:
        """Close the file."""
        self._file.close()


# /proc/vmcore has the kernel's own range as a second segment, which overlaps that of all memory.
def _disjoint(ranges: list[_Range]) -> list[_Range]:
    found: list[_Range] = []
    for one in sorted(ranges):
        start = max(one.start, found[-1].end) if found else one.start
        if start < one.end and one.end < 1 << 52 and one.offset < 1 << 62:
            found.append(_Range(start, one.end, one.offset + start - one.start))
    return found
