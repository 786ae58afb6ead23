# SPDX-License-Identifier: LGPL-2.1-or-later
"""Physical page frames: a buddy allocator with pageblock migratetypes, and per-CPU lists in front of it."""

from spo_trace.simulator.printer import PAGEBLOCK_ORDER
from spo_trace.simulator.sites import MAX_ORDER, MIGRATETYPES

__all__ = ["Buddy", "PerCpuPages"]


class Buddy:
    """The free page frames of one zone: PFN 0 to `spanned_pages` without the `reserved` PFN ranges.

    `free_area[migratetype][order]` is an ordered set of free blocks. `nr_free` counts base pages (MemFree).
    """

    def __init__(self, spanned_pages: int, reserved: list[tuple[int, int]]) -> None:
        nr_blocks = (spanned_pages >> PAGEBLOCK_ORDER) + 2
        self.block_type = ["Movable"] * nr_blocks
        self.free_area: dict[str, list[dict[int, None]]] = {
            kind: [{} for _ in range(MAX_ORDER + 1)] for kind in MIGRATETYPES
        }
        self.nr_free = 0
        # Highest first: blocks are taken last in, first out, and low frames are to be used first.
        for start, end in reversed(_gaps(spanned_pages, reserved)):
            for pfn, order in reversed(_aligned_blocks(start, end)):
                self.free(pfn, order)
        self.managed_pages = self.nr_free

    def alloc(self, order: int, migratetype: str) -> int | None:
        """Return the PFN of a free block of `order`, aligned to it, or None."""
        pfn = self._take(order, migratetype)
        if pfn is None:
            pfn = self._steal(order, migratetype)
        if pfn is not None:
            self.nr_free -= 1 << order
        return pfn

    def free(self, pfn: int, order: int) -> None:
        """Free a block and merge it with its free buddies in pageblocks of the same type."""
        self.nr_free += 1 << order
        area = self.free_area[self.block_type[pfn >> PAGEBLOCK_ORDER]]
        while order < MAX_ORDER and (pfn ^ 1 << order) in area[order]:
            del area[order][pfn ^ 1 << order]
            pfn &= ~(1 << order)
            order += 1
        area[order][pfn] = None

    def nr_free_in_blocks(self) -> int:
        """Return the free base pages in entirely free pageblocks (nr_free_pages_blocks)."""
        orders = range(PAGEBLOCK_ORDER, MAX_ORDER + 1)
        return sum(len(area[order]) << order for area in self.free_area.values() for order in orders)

    def _take(self, order: int, migratetype: str) -> int | None:
        area = self.free_area[migratetype]
        for high in range(order, MAX_ORDER + 1):
            if area[high]:
                pfn, _ = area[high].popitem()
                return self._split(pfn, high, order)
        return None

    # As in __rmqueue_fallback(): take the largest block of another type, and claim its pageblocks if it spans them.
    def _steal(self, order: int, migratetype: str) -> int | None:
        for high in range(MAX_ORDER, order - 1, -1):
            for other in MIGRATETYPES:
                if other != migratetype and self.free_area[other][high]:
                    pfn, _ = self.free_area[other][high].popitem()
                    if high >= PAGEBLOCK_ORDER:
                        self._claim(pfn, high, migratetype)
                    return self._split(pfn, high, order)
        return None

    def _claim(self, pfn: int, order: int, migratetype: str) -> None:
        first = pfn >> PAGEBLOCK_ORDER
        for block in range(first, first + (1 << order - PAGEBLOCK_ORDER)):
            self.block_type[block] = migratetype

    def _split(self, pfn: int, high: int, order: int) -> int:
        area = self.free_area[self.block_type[pfn >> PAGEBLOCK_ORDER]]
        while high > order:
            high -= 1
            area[high][pfn + (1 << high)] = None
        return pfn


class PerCpuPages:
    """The free order-0 pages of one processor, which are neither in MemFree nor in page_owner."""

    def __init__(self, buddy: Buddy, high: int, batch: int) -> None:
        self.high = high
        self.batch = batch
        self.count = 0
        self._buddy = buddy
        self._lists: dict[str, list[int]] = {kind: [] for kind in MIGRATETYPES}

    def alloc(self, migratetype: str) -> int | None:
        """Return the PFN of a free page, or None."""
        pages = self._lists[migratetype]
        if not pages:
            self._refill(pages, migratetype)
        if not pages:
            return None
        self.count -= 1
        return pages.pop()

    def free(self, pfn: int) -> None:
        """Free a page; above `high`, return a batch to the buddy allocator."""
        pages = self._lists[self._buddy.block_type[pfn >> PAGEBLOCK_ORDER]]
        pages.append(pfn)
        self.count += 1
        if self.count > self.high:
            self._drain(pages, self.batch)

    def drain(self) -> None:
        """Return all pages to the buddy allocator (drain_all_pages())."""
        for pages in self._lists.values():
            self._drain(pages, len(pages))

    def _refill(self, pages: list[int], migratetype: str) -> None:
        for _ in range(self.batch):
            pfn = self._buddy.alloc(0, migratetype)
            if pfn is None:
                break
            pages.append(pfn)
            self.count += 1
        pages.reverse()

    def _drain(self, pages: list[int], nr_pages: int) -> None:
        # The oldest pages first, because they are cold.
        drained, pages[:nr_pages] = pages[:nr_pages], []
        for pfn in drained:
            self._buddy.free(pfn, 0)
        self.count -= len(drained)


def _gaps(end: int, reserved: list[tuple[int, int]]) -> list[tuple[int, int]]:
    gaps, start = [], 0
    for low, high in sorted(reserved):
        gaps.append((start, low))
        start = high
    return [(low, high) for low, high in [*gaps, (start, end)] if low < high]


def _aligned_blocks(start: int, end: int) -> list[tuple[int, int]]:
    blocks = []
    while start < end:
        alignment = (start & -start).bit_length() - 1 if start else MAX_ORDER
        order = min(alignment, (end - start).bit_length() - 1, MAX_ORDER)
        blocks.append((start, order))
        start += 1 << order
    return blocks
