# SPDX-License-Identifier: LGPL-2.1-or-later
"""The stack depot (lib/stackdepot.c): from a handle to its frames and its count of pages."""

import struct
from typing import NamedTuple

from spo_trace.limits import MAX_FRAMES
from spo_trace.memory.image import Unreadable
from spo_trace.memory.kernel import Kernel
from spo_trace.memory.problem import Problem

__all__ = ["Stack", "StackDepot"]

# DEPOT_STACK_ALIGN: records begin at multiples of 16 bytes.
_ALIGN = 4


class Stack(NamedTuple):
    """Hold the return addresses, innermost first, and the base pages; None if the kernel does not count them."""

    addresses: tuple[int, ...]
    nr_base_pages: int | None


class StackDepot:
    """Read stacks by handle."""

    def __init__(self, kernel: Kernel) -> None:
        """Find the pools; raise Problem if the kernel keeps stacks in another way."""
        types, symbols = kernel.types, kernel.symbols
        self._kernel = kernel
        # 961c949b012f, 6.3: pools; before, they were called slabs.
        pools = symbols.find("stack_pools")
        self._pools = symbols.address("stack_slabs") if pools is None else pools
        # ed4f142f72a9, 6.17: a pointer to the array, whose length is in stack_max_pools.
        if symbols.find("stack_max_pools") is not None:
            self._pools = kernel.image.u64(self._pools)
        # 3ee34eabac2a, 6.9: pool_index_plus_1. 961c949b012f, 6.3: pool_index.
        names = ("pool_index_plus_1", "pool_index", "slabindex")
        index = next((found for name in names if (found := types.btf.bit_field("handle_parts", name))), None)
        offset = types.btf.bit_field("handle_parts", "offset")
        if index is None or offset is None or index[1] > 24:
            raise Problem("this kernel keeps stacks in another way", _TEXT)
        self._index, self._offset = index, offset
        self._bias = types.btf.bit_field("handle_parts", "pool_index_plus_1") is not None
        self._size = types.offset("stack_record", "size")
        self._handle = types.offset("stack_record", "handle")
        self._entries = types.offset("stack_record", "entries")
        # 410b764f89f5, 6.8: a count of references.
        self._count = types.btf.offset("stack_record", "count")

    def read(self, handle: int) -> Stack | None:
        """Return a stack, None if the handle refers to nothing that can be read."""
        image = self._kernel.image
        pool = _bits(handle, self._index) - self._bias
        if pool < 0:
            return None
        try:
            record = image.u64(self._pools + 8 * pool) + (_bits(handle, self._offset) << _ALIGN)
            head = image.read(record, self._entries)
            size = struct.unpack_from("<I", head, self._size)[0]
            if struct.unpack_from("<I", head, self._handle)[0] != handle or not 0 < size <= MAX_FRAMES:
                return None
            addresses = struct.unpack(f"<{size}Q", image.read(record + self._entries, 8 * size))
        except Unreadable:
            return None
        count = None if self._count is None else struct.unpack_from("<i", head, self._count)[0]
        # One reference more than there are pages; a stack that page_owner never counted has REFCOUNT_SATURATED,
        # which is negative (inc_stack_record_count(), mm/page_owner.c).
        return Stack(addresses, None if count is None or count < 1 else count - 1)


def _bits(handle: int, field: tuple[int, int]) -> int:
    return handle >> field[0] & (1 << field[1]) - 1


_TEXT = "give the text of /sys/kernel/debug/page_owner"
