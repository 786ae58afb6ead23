# SPDX-License-Identifier: LGPL-2.1-or-later
"""/proc/pagetypeinfo, as Linux 7.2 prints it (mm/vmstat.c pagetypeinfo_show()), and the size of a memory block."""

from collections import Counter

from spo_trace.simulator.machine import Machine
from spo_trace.simulator.printer import PAGEBLOCK_ORDER
from spo_trace.simulator.sites import MIGRATETYPES

__all__ = ["MEMORY_BLOCK_SIZE", "pagetypeinfo"]

# MIN_MEMORY_BLOCK_SIZE of x86-64: one section of 128 MiB.
MEMORY_BLOCK_SIZE = 128 << 20

_ZONE = "DMA32"


def pagetypeinfo(machine: Machine) -> str:
    """Return the size of a pageblock, the free blocks of each order and type, and the pageblocks of each type."""
    return "".join(
        [
            f"Page block order: {PAGEBLOCK_ORDER}\nPages per block:  {1 << PAGEBLOCK_ORDER}\n\n",
            *_free_blocks(machine),
            *_pageblocks(machine),
        ]
    )


def _free_blocks(machine: Machine) -> list[str]:
    areas = machine.buddy.free_area
    orders = "".join(f"{order:6} " for order in range(len(areas[MIGRATETYPES[0]])))
    lines = [f"{'Free pages count per migrate type at order':<43} {orders}\n"]
    for name in MIGRATETYPES:
        counts = "".join(f"{len(blocks):6} " for blocks in areas[name])
        lines.append(f"Node {0:4}, zone {_ZONE:>8}, type {name:>12} {counts}\n")
    return lines


def _pageblocks(machine: Machine) -> list[str]:
    blocks = machine.scenario.machine.spanned_pages >> PAGEBLOCK_ORDER
    counts = Counter(machine.buddy.block_type[:blocks])
    names = "".join(f"{name:>12} " for name in MIGRATETYPES)
    numbers = "".join(f"{counts[name]:12} " for name in MIGRATETYPES)
    return [f"\n{'Number of blocks type ':<23}{names}\n", f"Node 0, zone {_ZONE:>8} {numbers}\n"]
