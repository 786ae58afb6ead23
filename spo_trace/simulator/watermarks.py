# SPDX-License-Identifier: LGPL-2.1-or-later
"""Watermarks: the numbers of free pages at which kswapd wakes up and goes to sleep."""

from dataclasses import dataclass

from spo_trace.simulator.table import PAGE_SIZE

__all__ = ["Watermarks", "pcp_batch"]


@dataclass(frozen=True, slots=True)
class Watermarks:
    """A zone's watermarks in pages (mm/page_alloc.c __setup_per_zone_wmarks(), 7.2)."""

    min: int
    low: int
    high: int
    promo: int

    @classmethod
    def of_min_free(cls, min_free_kib: int) -> "Watermarks":
        """Return the watermarks for vm.min_free_kbytes if one zone has all memory."""
        low = min_free_kib * 1024 // PAGE_SIZE
        step = low // 4
        return cls(low, low + step, low + 2 * step, low + 3 * step)


def pcp_batch(managed_pages: int) -> int:
    """Return the number of pages moved at once between a per-CPU list and the zone (zone_batchsize(), 7.2)."""
    batch = max(min(managed_pages >> 10, (1 << 20) // PAGE_SIZE) // 4, 1)
    return (1 << (batch + batch // 2).bit_length() - 1) - 1 or 1
