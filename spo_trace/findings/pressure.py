# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rules on memory and swap as a whole: nearly full, fragmented."""

from collections.abc import Iterator

from spo_trace.findings.candidate import Checked, candidate
from spo_trace.findings.codes import Code, Lack
from spo_trace.findings.finding import FIRST, Amount, NotChecked, Query
from spo_trace.findings.owners import Owners
from spo_trace.findings.thresholds import Threshold
from spo_trace.limits import MAX_ORDER

__all__ = ["fragmentation", "memory_full", "swap_full"]

_LARGEST = Query(("category", "comm"), options=FIRST)
_LARGEST_IN_SWAP = Query(("category", "comm"), options=("--sort", "swap", *FIRST))


def memory_full(owners: Owners) -> Iterator[Checked]:
    """Find that little memory is available."""
    meminfo = owners.snap.meta.machine.meminfo
    if not meminfo.keys() >= {"MemTotal", "MemAvailable"}:
        yield NotChecked(Lack.MEMINFO, (Code.MEMORY_FULL,))
        return
    memory, available = (Amount(meminfo[name], name) for name in ("MemTotal", "MemAvailable"))
    if available.value <= Threshold.MEMORY_LEFT.share * memory.value:
        numbers = {"available": available, "memory": memory}
        yield candidate(Code.MEMORY_FULL, memory.value - available.value, numbers, _LARGEST)


def swap_full(owners: Owners) -> Iterator[Checked]:
    """Find that most of the swap space is in use."""
    machine = owners.snap.meta.machine
    if not machine.swaps and "SwapTotal" not in machine.meminfo:
        yield NotChecked(Lack.SWAPS, (Code.SWAP_FULL,))
        return
    size, used = sum(area["size"] for area in machine.swaps), machine.swap_used
    if size and used >= Threshold.SWAP_USED.share * size:
        numbers = {"used": Amount(used, "swap_used"), "size": Amount(size, "swap_size")}
        yield candidate(Code.SWAP_FULL, used, numbers, _LARGEST_IN_SWAP)


def fragmentation(owners: Owners) -> Iterator[Checked]:
    """Find that the free memory has almost no blocks as large as a pageblock."""
    machine, page_size = owners.snap.meta.machine, owners.snap.page_size
    order = machine.pageblock_order
    if not machine.buddyinfo or order is None or order > MAX_ORDER:
        yield NotChecked(Lack.PAGEBLOCKS if machine.buddyinfo else Lack.BUDDYINFO, (Code.FRAGMENTED,))
        return
    pages = [(place, number << place) for zone in machine.buddyinfo for place, number in enumerate(zone["blocks"])]
    free = sum(size for _, size in pages) * page_size
    large = sum(size for place, size in pages if place >= order) * page_size
    if owners.is_large(free, Threshold.FREE) and large <= Threshold.LARGE_BLOCKS.share * free:
        numbers = {
            "free": Amount(free, "free_in_blocks"),
            "large": Amount(large, "free_in_large_blocks"),
            "block": Amount(page_size << order, "pageblock"),
        }
        movable = Query(("migratetype", "category"), options=FIRST)
        yield candidate(Code.FRAGMENTED, free, numbers, movable)
