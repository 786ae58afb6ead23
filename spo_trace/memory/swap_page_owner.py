# SPDX-License-Identifier: LGPL-2.1-or-later
"""swap_page_owner out of kernel memory: the records of the patched kernel's xarray, by swap entry.

An xarray is a tree of nodes with 64 or 16 slots (lib/xarray.c). In a filtered dump, nodes or records may be missing.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from spo_trace.limits import MAX_XARRAY_LEVELS
from spo_trace.memory.image import Unreadable
from spo_trace.memory.kernel import Kernel

__all__ = ["SwapOwners", "SwapPageOwner"]

_COMM_BYTES = 16
# xa_is_internal(): the two lowest bits are 10. A pointer to a node is internal and above 4096.
_INTERNAL, _LOWEST_NODE = 2, 4096
_WORD_BITS = 64


@dataclass
class SwapOwners:
    """Count the records that were read, with their handles, and the nodes and records that could not be.

    `lost` is not the number of records that are missing: a node has many, or none that were counted.
    """

    records: int = 0
    lost: int = 0
    handles: set[int] = field(default_factory=set)


class SwapPageOwner:
    """Print the owners of a patched kernel's swap entries."""

    def __init__(self, kernel: Kernel) -> None:
        """Find the structures; raise Problem if this kernel has other ones."""
        types = kernel.types
        self._kernel = kernel
        self._head = kernel.symbols.address("swap_page_owners") + types.offset("xarray", "xa_head")
        self._array = kernel.symbols.address("swap_page_owners")
        self._shift, self._count = types.offset("xa_node", "shift"), types.offset("xa_node", "count")
        self._owner_array, self._slots = types.offset("xa_node", "array"), types.offset("xa_node", "slots")
        self._slot_count = min(types.length("xa_node", "slots"), 64)
        self._seen: set[int] = set()
        self._record_bytes = types.size("swap_page_owner")
        self._members = tuple(
            types.offset("swap_page_owner", member) for member in ("handle", "pid", "tgid", "comm", "ts_nsec")
        )

    def records(self, found: SwapOwners) -> Iterator[bytes]:
        """Yield each record in ascending order of entries, and count them in `found`."""
        self._seen = set()
        for entry, pointer in self._entries(found):
            record = self._record(entry, pointer, found.handles)
            if record is None:
                found.lost += 1
                continue
            found.records += 1
            yield record

    def _record(self, entry: int, pointer: int, handles: set[int]) -> bytes | None:
        try:
            data = self._kernel.image.read(pointer, self._record_bytes)
        except Unreadable:
            return None
        handle_at, pid_at, tgid_at, comm_at, ts_at = self._members
        handle, ts_nsec = struct.unpack_from("<I", data, handle_at)[0], struct.unpack_from("<Q", data, ts_at)[0]
        # The kernel never stores a record without a stack: this one was left out of the dump as zeros.
        if not handle:
            return None
        handles.add(handle)
        pid, tgid = struct.unpack_from("<i", data, pid_at)[0], struct.unpack_from("<i", data, tgid_at)[0]
        comm = data[comm_at : comm_at + _COMM_BYTES].split(b"\0", 1)[0]
        return b"Page allocated via pid %d, tgid %d (%b), ts %d ns\nSWP entry %#x\nhandle: %d\n\n" % (
            *(pid, tgid, comm, ts_nsec, entry, handle),
        )

    def _entries(self, found: SwapOwners) -> Iterator[tuple[int, int]]:
        try:
            head = self._kernel.image.u64(self._head)
        except Unreadable:
            found.lost += 1
            return
        if _is_node(head):
            yield from self._below(head, 0, None, 0, found)
        elif head:
            yield 0, head

    # `shift` shrinks at each level, and each node is read once, so that cycles in a damaged tree end.
    def _below(
        self, node: int, index: int, above: int | None, level: int, found: SwapOwners
    ) -> Iterator[tuple[int, int]]:
        read = self._read_node(node, above) if level < MAX_XARRAY_LEVELS and node not in self._seen else None
        self._seen.add(node)
        if read is None:
            found.lost += 1
            return
        shift, slots = read
        for number, slot in enumerate(slots):
            at = index | number << shift
            if _is_node(slot):
                yield from self._below(slot, at, shift, level + 1, found)
            elif slot and slot & 3 == 0:
                yield at, slot

    def _read_node(self, node: int, above: int | None) -> tuple[int, tuple[int, ...]] | None:
        try:
            data = self._kernel.image.read(node - _INTERNAL, self._slots + 8 * self._slot_count)
        except Unreadable:
            return None
        shift, count = data[self._shift], data[self._count]
        slots = struct.unpack_from(f"<{self._slot_count}Q", data, self._slots)
        belongs = struct.unpack_from("<Q", data, self._owner_array)[0] == self._array
        lower = shift < _WORD_BITS if above is None else shift + self._slot_count.bit_length() - 1 == above
        # A node that was left out of the dump reads as zeros.
        return (shift, slots) if belongs and lower and count == sum(map(bool, slots)) else None


def _is_node(slot: int) -> bool:
    return slot & 3 == _INTERNAL and slot > _LOWEST_NODE
