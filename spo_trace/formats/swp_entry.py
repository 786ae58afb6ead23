# SPDX-License-Identifier: LGPL-2.1-or-later
"""swp_entry_t: the number of a swap area and an offset in it."""

from typing import NamedTuple

__all__ = ["TYPES", "TYPE_SHIFTS", "TYPE_SHIFT_64", "SwpEntry", "decode", "encode"]

# 3159f943aafd, 4.20: SWP_TYPE_SHIFT (include/linux/swapops.h) = BITS_PER_XA_VALUE - MAX_SWAPFILES_SHIFT, which is
# 63 - 5; on 32-bit machines 31 - 5. The same on every architecture (a pte has another form).
TYPE_SHIFT_64 = 58
_TYPE_SHIFT_32 = 26
TYPE_SHIFTS = (TYPE_SHIFT_64, _TYPE_SHIFT_32)
# MAX_SWAPFILES_SHIFT (include/linux/swap.h) is 5.
TYPES = 1 << 5


class SwpEntry(NamedTuple):
    """Hold the number of a swap area and the offset of a slot in it, in pages."""

    swap_type: int
    swap_offset: int


def decode(swp_entry: int, *, bits: int = 64) -> SwpEntry:
    """Split a swp_entry_t of a machine of `bits` bits (swp_type(), swp_offset() of include/linux/swapops.h).

    >>> decode(0x400000000000002e)
    SwpEntry(swap_type=16, swap_offset=46)
    """
    shift = TYPE_SHIFT_64 if bits == 64 else _TYPE_SHIFT_32
    return SwpEntry(swp_entry >> shift, swp_entry & ((1 << shift) - 1))


def encode(swap_type: int, swap_offset: int) -> int:
    """Join a swap area's number and an offset to the swp_entry_t of a 64-bit machine (swp_entry())."""
    return swap_type << TYPE_SHIFT_64 | swap_offset
