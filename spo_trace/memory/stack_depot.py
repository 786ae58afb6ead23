# SPDX-License-Identifier: LGPL-2.1-or-later
"""The stack depot (lib/stackdepot.c): from a handle to its frames and its count of pages."""

import struct
from typing import NamedTuple

from spo_trace.limits import MAX_FRAMES
from spo_trace.memory.image import Unreadable
from spo_trace.memory.kernel import Kernel
from spo_trace.memory.problem import Problem

__all__ = ["DepotLayout", "Stack", "StackDepot", "base_pages", "find_depot"]

# DEPOT_STACK_ALIGN: records begin at multiples of 16 bytes.
_ALIGN = 4


class Stack(NamedTuple):
    """Hold the return addresses, innermost first, and the base pages; None if the kernel does not count them."""

    addresses: tuple[int, ...]
    nr_base_pages: int | None


class DepotLayout(NamedTuple):
    """Hold where records are: `pools` the address of the array, bit fields of a handle as first bit and width.

    `bias`: what the handle's pool has more than the index. `counter`: None if the kernel does not count.
    """

    pools: int
    pool: tuple[int, int]
    bias: int
    offset: tuple[int, int]
    size: int
    handle: int
    entries: int
    counter: int | None


def find_depot(kernel: Kernel) -> DepotLayout:
    """Return the layout; raise Problem if the kernel keeps stacks in another way."""
    types, symbols = kernel.types, kernel.symbols
    # 961c949b012f, 6.3: pools; before, they were called slabs.
    found = symbols.find("stack_pools")
    pools = symbols.address("stack_slabs") if found is None else found
    # ed4f142f72a9, 6.17: a pointer to the array, whose length is in stack_max_pools.
    if symbols.find("stack_max_pools") is not None:
        pools = kernel.image.u64(pools)
    # 3ee34eabac2a, 6.9: pool_index_plus_1. 961c949b012f, 6.3: pool_index.
    names = ("pool_index_plus_1", "pool_index", "slabindex")
    pool = next((bits for name in names if (bits := types.btf.bit_field("handle_parts", name))), None)
    offset = types.btf.bit_field("handle_parts", "offset")
    if pool is None or offset is None or pool[1] > 24:
        raise Problem("this kernel keeps stacks in another way", _TEXT)
    return DepotLayout(
        pools=pools,
        pool=pool,
        bias=int(types.btf.bit_field("handle_parts", "pool_index_plus_1") is not None),
        offset=offset,
        size=types.offset("stack_record", "size"),
        handle=types.offset("stack_record", "handle"),
        entries=types.offset("stack_record", "entries"),
        # 410b764f89f5, 6.8: a count of references.
        counter=types.btf.offset("stack_record", "count"),
    )


class StackDepot:
    """Read stacks by handle."""

    def __init__(self, kernel: Kernel) -> None:
        """Find the pools; raise Problem if the kernel keeps stacks in another way."""
        self._image, self._layout = kernel.image, find_depot(kernel)

    def read(self, handle: int) -> Stack | None:
        """Return a stack, None if the handle refers to nothing that can be read."""
        image, layout = self._image, self._layout
        pool = _bits(handle, layout.pool) - layout.bias
        if pool < 0:
            return None
        try:
            record = image.u64(layout.pools + 8 * pool) + (_bits(handle, layout.offset) << _ALIGN)
            head = image.read(record, layout.entries)
            size = struct.unpack_from("<I", head, layout.size)[0]
            if struct.unpack_from("<I", head, layout.handle)[0] != handle or not 0 < size <= MAX_FRAMES:
                return None
            addresses = struct.unpack(f"<{size}Q", image.read(record + layout.entries, 8 * size))
        except Unreadable:
            return None
        count = None if layout.counter is None else struct.unpack_from("<i", head, layout.counter)[0]
        return Stack(addresses, base_pages(count))


def base_pages(count: int | None) -> int | None:
    """Return the base pages by a count of references, None if the kernel does not count them.

    There is one reference more than there are pages; a stack that page_owner never counted has REFCOUNT_SATURATED,
    which is negative (inc_stack_record_count(), mm/page_owner.c).
    """
    return None if count is None or count < 1 else count - 1


def _bits(handle: int, field: tuple[int, int]) -> int:
    return handle >> field[0] & (1 << field[1]) - 1


_TEXT = "give the text of /sys/kernel/debug/page_owner"
