# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keys of places in physical memory, and the names of ranges, which contain a size: pfn_range_64M."""

import re

from spo_trace.errors import UsageError
from spo_trace.limits import MAX_MEMORY_BYTES

__all__ = ["MEMORY_BLOCK", "PAGEBLOCK", "PLACES", "RANGE", "RANGE_MEANING", "is_range", "lacks_size", "range_bytes"]

PAGEBLOCK, MEMORY_BLOCK = "pageblock", "memory_block"

# Key → its meaning.
PLACES = {
    PAGEBLOCK: "number of the pageblock of the pages, as in the PFN line: PFN >> pageblock_order",
    MEMORY_BLOCK: "number N of the memory block of the pages (/sys/devices/system/memory/memoryN)",
}

# The beginning of the names of all ranges, and of what is meant to be one.
RANGE = "pfn_range"
RANGE_MEANING = "first PFN of the range of SIZE bytes that has the pages; SIZE is a power of two, such as 64M or 1G"

_SIZED = re.compile(rf"{RANGE}_(\d{{1,9}})([KMGT])")
_UNITS = {"K": 10, "M": 20, "G": 30, "T": 40}


def is_range(name: str) -> bool:
    """Return whether `name` is that of a range with a valid size."""
    return _size_in(name) is not None


def lacks_size(name: str) -> bool:
    """Return whether `name` is meant to be that of a range, but has no valid size."""
    return (name == RANGE or name.startswith(f"{RANGE}_")) and not is_range(name)


def range_bytes(name: str) -> int:
    """Return the bytes of a range from the name of its key; raise UsageError if that has no valid size.

    >>> range_bytes("pfn_range_64M")
    67108864
    """
    size = _size_in(name)
    if size is None:
        raise UsageError(
            f"{name!r} has no size that is a power of two",
            hint=f"give one in the name, with K, M, G or T: {RANGE}_64M",
        )
    return size


def _size_in(name: str) -> int | None:
    match = _SIZED.fullmatch(name)
    size = int(match[1]) << _UNITS[match[2]] if match else 0
    return size if size.bit_count() == 1 and size <= MAX_MEMORY_BYTES else None
