# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where a kernel with the swap_page_owner patches keeps the owners of swap entries: an xarray (lib/xarray.c)."""

from typing import NamedTuple

from spo_trace.memory.kernel import Kernel

__all__ = ["SwapLayout", "SwapTracking", "find_swap_owners", "swap_tracking"]

# XA_CHUNK_SIZE: a node has 16 or 64 slots.
_MAX_SLOTS = 64


class SwapTracking(NamedTuple):
    """Hold whether the kernel has swap_page_owner, and whether it was booted to use it."""

    exists: bool
    on: bool


class SwapLayout(NamedTuple):
    """Hold the addresses of the xarray and of its head, and offsets in struct xa_node and struct swap_page_owner."""

    array: int
    head: int
    node_shift: int
    node_count: int
    node_array: int
    node_slots: int
    slot_count: int
    record_bytes: int
    handle: int
    pid: int
    tgid: int
    comm: int
    ts_nsec: int


# Static keys (struct static_key, linux/jump_label.h) begin with a counter.
def swap_tracking(kernel: Kernel) -> SwapTracking:
    """Return whether the kernel keeps owners of swap entries."""
    key = kernel.symbols.find("swap_page_owner_inited")
    exists = key is not None and kernel.symbols.find("swap_page_owners") is not None
    return SwapTracking(exists, exists and key is not None and kernel.image.u32(key) != 0)


def find_swap_owners(kernel: Kernel) -> SwapLayout:
    """Return the layout; raise Problem if this kernel has other structures."""
    types, array = kernel.types, kernel.symbols.address("swap_page_owners")
    return SwapLayout(
        array=array,
        head=array + types.offset("xarray", "xa_head"),
        node_shift=types.offset("xa_node", "shift"),
        node_count=types.offset("xa_node", "count"),
        node_array=types.offset("xa_node", "array"),
        node_slots=types.offset("xa_node", "slots"),
        slot_count=min(types.length("xa_node", "slots"), _MAX_SLOTS),
        record_bytes=types.size("swap_page_owner"),
        handle=types.offset("swap_page_owner", "handle"),
        pid=types.offset("swap_page_owner", "pid"),
        tgid=types.offset("swap_page_owner", "tgid"),
        comm=types.offset("swap_page_owner", "comm"),
        ts_nsec=types.offset("swap_page_owner", "ts_nsec"),
    )
