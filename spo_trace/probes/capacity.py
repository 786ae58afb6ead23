# SPDX-License-Identifier: LGPL-2.1-or-later
"""The size of the probes' maps."""

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["ENTRY_BYTES", "Capacity", "capacity"]

# Kernel memory per swap entry, allocated at the attach: struct htab_elem, key, value, and bucket.
ENTRY_BYTES = 120

_LEAST_ENTRIES = 1 << 16
_LARGEST_PART_OF_MEMORY = 32


class Capacity(NamedTuple):
    """Hold how many swap entries and restored pages the maps have room for; `swap_pages`: the size of swap."""

    entries: int
    restored: int
    swap_pages: int


def capacity(meminfo: Mapping[str, int], page_size: int, asked: int | None = None) -> Capacity:
    """Return a capacity of `asked` entries; by default, one for each page of swap, in at most 1/32 of memory.

    The default is at least 65,536 entries. There are at most as many restored pages as page frames; they use memory
    only as they are added.
    """
    swap_pages = meminfo.get("SwapTotal", 0) // page_size
    most = meminfo["MemTotal"] // _LARGEST_PART_OF_MEMORY // ENTRY_BYTES
    entries = asked or min(max(swap_pages, _LEAST_ENTRIES), max(most, _LEAST_ENTRIES))
    return Capacity(entries, meminfo["MemTotal"] // page_size, swap_pages)
