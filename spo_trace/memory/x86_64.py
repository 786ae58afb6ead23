# SPDX-License-Identifier: LGPL-2.1-or-later
"""Virtual addresses of x86-64 in a dump, by its page tables (Intel SDM volume 3, 4.5)."""

import struct
from collections import OrderedDict
from collections.abc import Iterator

from spo_trace.limits import MAX_CACHED_TABLES
from spo_trace.memory.image import Image, Unreadable
from spo_trace.memory.physical import Physical

__all__ = ["START_KERNEL_MAP", "X86Image"]

# __START_KERNEL_map of arch/x86/include/asm/page_64_types.h: phys_base is the physical address of this one.
START_KERNEL_MAP = 0xFFFFFFFF80000000

_PAGE_SHIFT, _BITS = 12, 9
_PRESENT, _LARGE = 1, 1 << 7
_ADDRESS = (1 << 52) - 1 & ~0xFFF
_TABLE = struct.Struct("<512Q")


class X86Image(Image):
    """Read a dump by virtual address; `root`: the physical address of the top-level page table."""

    def __init__(self, physical: Physical, root: int, *, five_levels: bool) -> None:
        super().__init__(physical.vmcoreinfo, physical.size, omits_zeros=physical.omits_zeros)
        self._physical = physical
        self.root = root & _ADDRESS
        self.five_levels = five_levels
        self._levels = 5 if five_levels else 4
        self._tables: OrderedDict[int, tuple[int, ...]] = OrderedDict()

    def pieces(self, address: int, size: int) -> Iterator[tuple[int, bytes]]:
        """Yield the readable parts of a range in ascending order, each with its offset in the range."""
        for at, physical, length in self._runs(address, size):
            for inner, data in self._physical.pieces(physical, length):
                yield at + inner, data

    # Neighbours in virtual memory that are neighbours in physical memory, too, are read at once.
    def _runs(self, address: int, size: int) -> Iterator[tuple[int, int, int]]:
        at, start, physical, length = 0, 0, 0, 0
        while at < size:
            found, room = self.translate(address + at)
            step = min(room, size - at)
            if found is None or found != physical + length:
                if length:
                    yield start, physical, length
                start, physical, length = at, found or 0, 0
            if found is not None:
                length += step
            at += step
        if length:
            yield start, physical, length

    def translate(self, address: int) -> tuple[int | None, int]:
        """Return the physical address, None if there is none, and the number of bytes up to the end of the mapping."""
        table = self.root
        for level in range(self._levels - 1, -1, -1):
            shift = _PAGE_SHIFT + _BITS * level
            entry = self._entries(table)[address >> shift & 511]
            left = (1 << shift) - address % (1 << shift)
            if not entry & _PRESENT:
                return None, left
            if level == 0 or (level <= 2 and entry & _LARGE):
                return (entry & _ADDRESS & -1 << shift) + address % (1 << shift), left
            table = entry & _ADDRESS
        raise AssertionError("not reached: level 0 returns")

    def _entries(self, table: int) -> tuple[int, ...]:
        entries = self._tables.get(table)
        if entries is None:
            data = b"".join(part for _, part in self._physical.pieces(table, _TABLE.size))
            if len(data) != _TABLE.size:
                raise Unreadable(f"the page table at physical address {table:#x} is not in the dump")
            entries = self._tables[table] = _TABLE.unpack(data)
            if len(self._tables) > MAX_CACHED_TABLES:
                self._tables.popitem(last=False)
        return entries
