# SPDX-License-Identifier: LGPL-2.1-or-later
"""How large the probes' maps are made."""

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["ENTRY_BYTES", "Capacity", "capacity"]

# Of the kernel's memory for each swap entry, from the attach on: struct htab_elem, key, value, and its bucket.
ENTRY_BYTES = 120

_LEAST_ENTRIES = 1 << 16
_LARGEST_PART_OF_MEMORY = 32


class Capacity(NamedTuple):
    """Hold how many swap entries and restored pages the maps have room for; `swap_pages`: what there is of swap."""

    entries: int
    restored: int
    swap_pages: int


def capacity(meminfo: Mapping[str, int], page_size: int, asked: int | None = None) -> Capacity:
    """Return room for all of swap, but not for more than a 32nd of memory holds; `asked` entries if it is given.

    Restored pages take memory only as they come, and are no more than there are page frames.
    """
    swap_pages = meminfo.get("SwapTotal", 0) // page_size
    most = meminfo["MemTotal"] // _LARGEST_PART_OF_MEMORY // ENTRY_BYTES
    entries = asked or min(max(swap_pages, _LEAST_ENTRIES), max(most, _LEAST_ENTRIES))
    return Capacity(entries, meminfo["MemTotal"] // page_size, swap_pages)
