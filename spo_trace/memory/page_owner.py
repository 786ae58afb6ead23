# SPDX-License-Identifier: LGPL-2.1-or-later
"""page_owner out of kernel memory: the records that read_page_owner() (mm/page_owner.c) would print, in its order.

Arrays are read section by section and filtered with numpy. A record is the kernel's own text in mode=handle.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from spo_trace.limits import MAX_ORDER
from spo_trace.memory.flag_names import gfp_names, names_in, page_flags
from spo_trace.memory.kernel import Kernel
from spo_trace.memory.memcg import MemcgLines
from spo_trace.memory.owner_layout import OwnerLayout
from spo_trace.memory.printed_formats import printed_formats
from spo_trace.memory.sections import Section, present_sections

__all__ = ["PageOwner"]

_COMM_BYTES = 16
# Distinct masks and flags whose text is kept; a machine has a few hundred.
_KEPT = 1 << 16
# GFP_MOVABLE_SHIFT and GFP_MOVABLE_MASK of linux/gfp.h: __GFP_MOVABLE and __GFP_RECLAIMABLE.
_MOVABLE_SHIFT, _MOVABLE_BITS = 3, 3
_UNMOVABLE = 0
_NO_REASON = -1
_TAIL = 1

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.uint64]


class PageOwner:
    """Print the owners of a kernel's pages.

    `unread_pages`: base pages whose page_ext or struct page could not be read by `records`; their owners are unknown.
    """

    def __init__(self, kernel: Kernel, layout: OwnerLayout) -> None:
        """Read the kernel's tables of names; raise Problem if one is missing."""
        self._kernel, self._layout = kernel, layout
        self._memcg = MemcgLines(kernel)
        self._formats = printed_formats(kernel)
        self._gfp_text = lru_cache(_KEPT)(gfp_names(kernel).text)
        self._flags_text = lru_cache(_KEPT)(page_flags(kernel).text)
        types = kernel.types
        self._types = names_in(kernel, "migratetype_names", types.value("MIGRATE_TYPES"))
        self._reasons = names_in(kernel, "migrate_reason_names", types.value("MR_TYPES"))
        disabled = kernel.symbols.find("page_group_by_mobility_disabled")
        self._by_mobility = not (disabled and kernel.image.u32(disabled))
        self.unread_pages = 0
        self._isolate = types.btf.enumerator("MIGRATE_ISOLATE")

    def records(self) -> Iterator[bytes]:
        """Yield each record."""
        self.unread_pages = 0
        for section, start, count in self._sections():
            yield from self._records_of(section, start, count)

    def handles(self) -> set[int]:
        """Return the handles of all stacks of the records, and maybe of others."""
        found: set[int] = set()
        for section, start, count in self._sections():
            ext, _ = self._rows(section.page_ext, start, count, self._layout.ext_bytes)
            handle = _column(ext, self._layout.owner + self._layout.handle, "<u4")
            found.update(np.unique(handle[self._has_owner(ext, start)]).tolist())
        return found

    def _sections(self) -> Iterator[tuple[Section, int, int]]:
        layout = self._layout
        for section in present_sections(self._kernel.image, layout.sections, layout.max_pfn):
            start, end = max(section.pfn, layout.min_low_pfn), min(section.pfn + section.pages, layout.max_pfn)
            if section.page_ext is not None and start < end:
                yield section, start, end - start

    def _rows(self, base: int | None, start: int, count: int, size: int) -> tuple[Bytes, int]:
        assert base is not None
        raw, lost = self._kernel.image.read_filled(base + size * start & _WORD, count * size)
        return np.frombuffer(raw, np.uint8).reshape(count, size), lost // size

    def _records_of(self, section: Section, start: int, count: int) -> Iterator[bytes]:
        layout = self._layout
        ext, lost = self._rows(section.page_ext, start, count, layout.ext_bytes)
        pages, lost_pages = self._rows(section.map_base, start, count, layout.page_bytes)
        owned = self._has_owner(ext, start)
        # Of a kernel's own pages, filters leave out only those of zeros, which have no owners.
        self.unread_pages += 0 if self._kernel.image.omits_zeros else lost
        if lost_pages:
            # Holes in memory have no struct page either; a page that has an owner has one.
            absent = ~pages.any(axis=1)
            self.unread_pages += int(np.count_nonzero(owned & absent))
            owned &= ~absent
        listed = np.flatnonzero(owned & ~self._is_free(pages))
        if len(listed):
            pfns = listed.astype(np.uint64) + np.uint64(start)
            yield from self._printed(ext[listed], pages[listed], pfns, self._pageblock_flags(section))

    def _pageblock_flags(self, section: Section) -> Numbers:
        layout = self._layout
        words = -(-(section.pages >> layout.pageblock_order) * layout.pageblock_bits // 64)
        raw, _ = self._kernel.image.read_filled(section.usage + layout.pageblock_flags, 8 * words)
        return np.frombuffer(raw, np.uint64)

    def _has_owner(self, ext: Bytes, start: int) -> npt.NDArray[np.bool_]:
        layout = self._layout
        flags = _column(ext, 0, "<u8")
        order = _column(ext, layout.owner + layout.order, "<u2").astype(np.uint64)
        handle = _column(ext, layout.owner + layout.handle, "<u4")
        wanted = np.uint64(1 << layout.owner_bit | 1 << layout.allocated_bit)
        pfn = np.arange(start, start + len(ext), dtype=np.uint64)
        # The kernel shifts an int by the order, which is at most MAX_ORDER; 63 keeps damaged ones defined.
        aligned: npt.NDArray[np.bool_] = pfn & (np.uint64(1) << np.minimum(order, np.uint64(63))) - np.uint64(1) == 0
        has: npt.NDArray[np.bool_] = (flags & wanted == wanted) & (handle != 0) & (order <= np.uint64(MAX_ORDER))
        return has & aligned

    # The kernel steps over each free block from its head, whatever owners its pages had.
    def _is_free(self, pages: Bytes) -> npt.NDArray[np.bool_]:
        layout = self._layout
        heads = np.flatnonzero(_column(pages, layout.page_type, "<u4") == np.uint32(layout.buddy))
        order = _column(pages, layout.private, "<u8")[heads]
        order = np.where(order <= np.uint64(layout.max_page_order), order, np.uint64(0))
        change = np.zeros(len(pages) + 1, np.int32)
        np.add.at(change, heads, 1)
        np.add.at(change, np.minimum(heads + (1 << order.astype(np.int64)), len(pages)), -1)
        return np.cumsum(change[:-1]) > 0

    def _printed(self, ext: Bytes, pages: Bytes, pfns: Numbers, flags: Numbers) -> Iterator[bytes]:
        layout = self._layout
        owner = ext[:, layout.owner :]
        gfp = _column(owner, layout.gfp_mask, "<u4")
        blocks = pfns >> np.uint64(layout.pageblock_order)
        columns = zip(
            _column(owner, layout.order, "<u2").tolist(),
            gfp.tolist(),
            _column(owner, layout.pid, "<i4").tolist(),
            _column(owner, layout.tgid, "<i4").tolist(),
            _comms(owner, layout.comm),
            _column(owner, layout.ts_nsec, "<u8").tolist(),
            _column(owner, layout.free_ts_nsec or 0, "<u8").tolist(),
            self._is_swapped(ext).tolist(),
            pfns.tolist(),
            self._page_types(gfp).tolist(),
            blocks.tolist(),
            self._block_types(pfns, flags).tolist(),
            _column(pages, layout.flags, "<u8").tolist(),
            _column(owner, layout.handle, "<u4").tolist(),
            _column(owner, layout.last_migrate_reason, "<i2").tolist(),
            self._memcg_data(pages).tolist(),
            strict=True,
        )
        for row in columns:
            yield self._record(*row)

    def _record(
        self,
        order: int,
        gfp: int,
        pid: int,
        tgid: int,
        comm: bytes,
        ts_nsec: int,
        free_ts_nsec: int,
        swapped: bool,
        pfn: int,
        page_type: int,
        block: int,
        block_type: int,
        flags: int,
        handle: int,
        reason: int,
        memcg_data: int,
    ) -> bytes:
        free_ts = b", free_ts %d ns" % free_ts_nsec if self._formats.free_ts else b""
        return (
            b"Page allocated via order %d, mask %#x(%b), pid %d, tgid %d (%b), ts %d ns%b%b\n"
            b"PFN %b type %b Block %d type %b Flags %b\nhandle: %d\n%b%b\n"
        ) % (
            *(order, gfp, self._gfp_text(gfp), pid, tgid, comm, ts_nsec, free_ts, b" (swapped)" if swapped else b""),
            b"%d" % pfn if self._formats.decimal_pfn else b"%#x" % pfn,
            *(_name(self._types, page_type), block, _name(self._types, block_type), self._flags_text(flags), handle),
            b"" if reason == _NO_REASON else _MIGRATED % _name(self._reasons, reason),
            self._memcg.text(memcg_data),
        )

    def _is_swapped(self, ext: Bytes) -> npt.NDArray[np.bool_]:
        bit = self._layout.swapped_bit
        return np.zeros(len(ext), bool) if bit is None else _column(ext, 0, "<u8") >> np.uint64(bit) & np.uint64(1) != 0

    # gfp_migratetype() of linux/gfp.h.
    def _page_types(self, gfp: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        return gfp >> np.uint32(_MOVABLE_SHIFT) & np.uint32(_MOVABLE_BITS if self._by_mobility else _UNMOVABLE)

    # get_pageblock_migratetype() of mm/page_alloc.c.
    def _block_types(self, pfns: Numbers, flags: Numbers) -> Numbers:
        layout = self._layout
        block = (pfns & np.uint64(layout.sections.pages - 1)) >> np.uint64(layout.pageblock_order)
        bit = block * np.uint64(layout.pageblock_bits)
        bits = flags[(bit >> np.uint64(6)).astype(np.int64)] >> (bit & np.uint64(63))
        kinds = bits & np.uint64(7)
        # Seen on 7.2: isolation is a bit of its own.
        if layout.isolate_bit is not None and self._isolate is not None:
            isolated = bits >> np.uint64(layout.isolate_bit & 63) & np.uint64(1)
            kinds = np.where(isolated != 0, np.uint64(self._isolate), kinds)
        return kinds

    # Nothing is printed of tail pages (seen on 6.1, 6.12 and 7.2), whose memcg_data means something else.
    def _memcg_data(self, pages: Bytes) -> Numbers:
        if self._layout.memcg_data is None:
            return np.zeros(len(pages), np.uint64)
        tail = _column(pages, self._layout.head, "<u8") & np.uint64(_TAIL)
        return np.where(tail != 0, np.uint64(0), _column(pages, self._layout.memcg_data, "<u8"))


_WORD = (1 << 64) - 1
_MIGRATED = b"Page has been migrated, last migrate reason: %b\n"


def _column(rows: Bytes, offset: int, kind: str) -> npt.NDArray[Any]:
    size = np.dtype(kind).itemsize
    return np.ascontiguousarray(rows[:, offset : offset + size]).view(kind)[:, 0]


def _comms(owner: Bytes, offset: int) -> list[bytes]:
    comms = np.ascontiguousarray(owner[:, offset : offset + _COMM_BYTES]).view(f"S{_COMM_BYTES}")[:, 0]
    return [comm.split(b"\0", 1)[0] for comm in comms.tolist()]


def _name(names: list[bytes], number: int) -> bytes:
    return names[number] if 0 <= number < len(names) else b"(null)"
