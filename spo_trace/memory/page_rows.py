# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owners of pages out of kernel memory: the rows that read_page_owner() (mm/page_owner.c) would print, in its order.

Arrays are read section by section and filtered with numpy. native/collect/page_rows.c does the same on a live machine.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from spo_trace.limits import MAX_ORDER
from spo_trace.memory.kernel import Kernel
from spo_trace.memory.owner_layout import COMM_BYTES, OwnerLayout
from spo_trace.memory.rows import PAGE_ROW
from spo_trace.memory.sections import Section, present_sections

__all__ = ["PageRows"]

_TAIL = 1
_WORD = (1 << 64) - 1
# The types of pageblocks that take three bits (enum migratetype).
_TYPE_BITS = 7

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.uint64]
Truths = npt.NDArray[np.bool_]


class PageRows:
    """Read the rows of a kernel's pages.

    `lost`: base pages whose page_ext or struct page could not be read by `rows`; their owners are unknown.
    """

    def __init__(self, kernel: Kernel, layout: OwnerLayout) -> None:
        self._kernel, self._layout = kernel, layout
        self.lost = 0

    def rows(self) -> Iterator[npt.NDArray[Any]]:
        """Yield the rows (PAGE_ROW) of each section."""
        self.lost = 0
        for section, start, count in self._sections():
            rows = self._rows_of(section, start, count)
            if len(rows):
                yield rows

    def handles(self) -> set[int]:
        """Return the handles of all stacks of the rows, and maybe of others."""
        found: set[int] = set()
        for section, start, count in self._sections():
            ext, _ = self._read(section.page_ext, start, count, self._layout.ext_bytes)
            handle = _column(ext, self._layout.owner + self._layout.handle, "<u4")
            found.update(np.unique(handle[self._has_owner(ext, start)]).tolist())
        return found

    def _sections(self) -> Iterator[tuple[Section, int, int]]:
        layout = self._layout
        for section in present_sections(self._kernel.image, layout.sections, layout.max_pfn):
            start, end = max(section.pfn, layout.min_low_pfn), min(section.pfn + section.pages, layout.max_pfn)
            if section.page_ext is not None and start < end:
                yield section, start, end - start

    def _read(self, base: int | None, start: int, count: int, size: int) -> tuple[Bytes, int]:
        assert base is not None
        raw, lost = self._kernel.image.read_filled(base + size * start & _WORD, count * size)
        return np.frombuffer(raw, np.uint8).reshape(count, size), lost // size

    def _rows_of(self, section: Section, start: int, count: int) -> npt.NDArray[Any]:
        layout = self._layout
        ext, lost = self._read(section.page_ext, start, count, layout.ext_bytes)
        pages, _ = self._read(section.map_base, start, count, layout.page_bytes)
        # Of a kernel's own pages, filters leave out only those of zeros, which have no owners.
        self.lost += 0 if self._kernel.image.omits_zeros else lost
        listed = np.flatnonzero(self._has_owner(ext, start) & ~self._is_free(pages))
        # Holes in memory have no struct page; a page that has an owner has one.
        present = pages[listed].any(axis=1)
        self.lost += int(np.count_nonzero(~present))
        listed = listed[present]
        pfns = listed.astype(np.uint64) + np.uint64(start)
        return self._row(ext[listed], pages[listed], pfns, self._pageblock_flags(section))

    def _row(self, ext: Bytes, pages: Bytes, pfns: Numbers, flags: Numbers) -> npt.NDArray[Any]:
        layout = self._layout
        owner = ext[:, layout.owner :]
        rows = np.zeros(len(pfns), PAGE_ROW)
        rows["pfn"] = pfns
        for name in ("ts_nsec", "free_ts_nsec", "gfp_mask", "handle", "pid", "tgid", "order", "last_migrate_reason"):
            offset = getattr(layout, name)
            if offset is not None:
                rows[name] = _column(owner, offset, PAGE_ROW[name])
        rows["comm"] = _comms(owner, layout.comm)
        rows["flags"] = _column(pages, layout.flags, "<u8")
        rows["memcg_data"] = self._memcg_data(pages)
        rows["block_type"] = self._block_types(pfns, flags)
        if layout.swapped_bit is not None:
            rows["swapped"] = _column(ext, 0, "<u8") >> np.uint64(layout.swapped_bit) & np.uint64(1)
        return rows

    def _pageblock_flags(self, section: Section) -> Numbers:
        layout = self._layout
        words = -(-(section.pages >> layout.pageblock_order) * layout.pageblock_bits // 64)
        raw, _ = self._kernel.image.read_filled(section.usage + layout.pageblock_flags, 8 * words)
        return np.frombuffer(raw, np.uint64)

    def _has_owner(self, ext: Bytes, start: int) -> Truths:
        layout = self._layout
        flags = _column(ext, 0, "<u8")
        order = _column(ext, layout.owner + layout.order, "<u2").astype(np.uint64)
        handle = _column(ext, layout.owner + layout.handle, "<u4")
        wanted = np.uint64(1 << layout.owner_bit | 1 << layout.allocated_bit)
        pfn = np.arange(start, start + len(ext), dtype=np.uint64)
        # The kernel shifts an int by the order, which is at most MAX_ORDER; 63 keeps damaged ones defined.
        aligned: Truths = pfn & (np.uint64(1) << np.minimum(order, np.uint64(63))) - np.uint64(1) == 0
        has: Truths = (flags & wanted == wanted) & (handle != 0) & (order <= np.uint64(MAX_ORDER))
        return has & aligned

    # The kernel steps over each free block from its head, whatever owners its pages had.
    def _is_free(self, pages: Bytes) -> Truths:
        layout = self._layout
        heads = np.flatnonzero(_column(pages, layout.page_type, "<u4") == np.uint32(layout.buddy))
        order = _column(pages, layout.private, "<u8")[heads]
        order = np.where(order <= np.uint64(layout.max_page_order), order, np.uint64(0))
        change = np.zeros(len(pages) + 1, np.int32)
        np.add.at(change, heads, 1)
        np.add.at(change, np.minimum(heads + (1 << order.astype(np.int64)), len(pages)), -1)
        return np.cumsum(change[:-1]) > 0

    # get_pageblock_migratetype() of mm/page_alloc.c.
    def _block_types(self, pfns: Numbers, flags: Numbers) -> Numbers:
        layout = self._layout
        block = (pfns & np.uint64(layout.sections.pages - 1)) >> np.uint64(layout.pageblock_order)
        bit = block * np.uint64(layout.pageblock_bits)
        bits: Numbers = flags[(bit >> np.uint64(6)).astype(np.int64)] >> (bit & np.uint64(63))
        kinds: Numbers = bits & np.uint64(_TYPE_BITS)
        # Seen on 7.2: isolation is a bit of its own.
        if layout.isolate_bit is not None and layout.isolate_type is not None:
            isolated = bits >> np.uint64(layout.isolate_bit & 63) & np.uint64(1)
            kinds[isolated != 0] = layout.isolate_type
        return kinds

    # Nothing is printed of tail pages (seen on 6.1, 6.12 and 7.2), whose memcg_data means something else.
    def _memcg_data(self, pages: Bytes) -> Numbers:
        if self._layout.memcg_data is None:
            return np.zeros(len(pages), np.uint64)
        tail = _column(pages, self._layout.head, "<u8") & np.uint64(_TAIL)
        return np.where(tail != 0, np.uint64(0), _column(pages, self._layout.memcg_data, "<u8"))


def _column(rows: Bytes, offset: int, kind: Any) -> npt.NDArray[Any]:
    size = np.dtype(kind).itemsize
    found: npt.NDArray[Any] = np.ascontiguousarray(rows[:, offset : offset + size]).view(kind)[:, 0]
    return found


def _comms(owner: Bytes, offset: int) -> list[bytes]:
    comms = np.ascontiguousarray(owner[:, offset : offset + COMM_BYTES]).view(f"S{COMM_BYTES}")[:, 0]
    return [comm.split(b"\0", 1)[0] for comm in comms.tolist()]
