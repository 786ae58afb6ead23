# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owners of swap entries out of kernel memory: the rows of the patched kernel's xarray, by swap entry.

An xarray is a tree of nodes with 64 or 16 slots (lib/xarray.c). In a filtered dump, nodes or records may be missing.
native/collect/swap_rows.c does the same on a live machine.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from spo_trace.limits import MAX_XARRAY_LEVELS
from spo_trace.memory.image import Unreadable
from spo_trace.memory.kernel import Kernel
from spo_trace.memory.owner_layout import COMM_BYTES
from spo_trace.memory.swap_layout import SwapLayout

__all__ = ["SwapRow", "SwapRows"]

# xa_is_internal(): the two lowest bits are 10. A pointer to a node is internal and above 4096.
_INTERNAL, _LOWEST_NODE = 2, 4096
_WORD_BITS = 64


class SwapRow(NamedTuple):
    """Hold the owner of a swap entry, in the order of SWAP_ROW."""

    entry: int
    ts_nsec: int
    comm: bytes
    pid: int
    tgid: int
    handle: int


class SwapRows:
    """Read the rows of a patched kernel's swap entries.

    `lost`: nodes and records that could not be read by `rows`. It is not the number of records that are missing: a node
    has many, or none that were counted.
    """

    def __init__(self, kernel: Kernel, layout: SwapLayout) -> None:
        self._image, self._layout = kernel.image, layout
        self._seen: set[int] = set()
        self.lost = 0

    def rows(self) -> Iterator[SwapRow]:
        """Yield the rows in ascending order of entries."""
        self._seen, self.lost = set(), 0
        for entry, pointer in self._entries():
            row = self._row(entry, pointer)
            if row is None:
                self.lost += 1
            else:
                yield row

    def handles(self) -> tuple[int, set[int]]:
        """Return the number of rows, and the handles of their stacks; `lost` is that of `rows` after it, too."""
        number, found = 0, set()
        for row in self.rows():
            number += 1
            found.add(row.handle)
        return number, found

    def _row(self, entry: int, pointer: int) -> SwapRow | None:
        layout = self._layout
        try:
            data = self._image.read(pointer, layout.record_bytes)
        except Unreadable:
            return None
        (handle,) = struct.unpack_from("<I", data, layout.handle)
        # The kernel never stores a record without a stack: this one was left out of the dump as zeros.
        if not handle:
            return None
        (ts_nsec,) = struct.unpack_from("<Q", data, layout.ts_nsec)
        pid, tgid = (struct.unpack_from("<i", data, at)[0] for at in (layout.pid, layout.tgid))
        comm = data[layout.comm : layout.comm + COMM_BYTES].split(b"\0", 1)[0]
        return SwapRow(entry, ts_nsec, comm, pid, tgid, handle)

    def _entries(self) -> Iterator[tuple[int, int]]:
        try:
            head = self._image.u64(self._layout.head)
        except Unreadable:
            self.lost += 1
            return
        if _is_node(head):
            yield from self._below(head, 0, None, 0)
        elif _is_record(head):
            yield 0, head

    # `shift` shrinks at each level, and each node is read once, so that cycles in a damaged tree end.
    def _below(self, node: int, index: int, above: int | None, level: int) -> Iterator[tuple[int, int]]:
        read = self._read_node(node, above) if level < MAX_XARRAY_LEVELS and node not in self._seen else None
        self._seen.add(node)
        if read is None:
            self.lost += 1
            return
        shift, slots = read
        for number, slot in enumerate(slots):
            at = index | number << shift
            if _is_node(slot):
                yield from self._below(slot, at, shift, level + 1)
            elif _is_record(slot):
                yield at, slot

    def _read_node(self, node: int, above: int | None) -> tuple[int, tuple[int, ...]] | None:
        layout = self._layout
        try:
            data = self._image.read(node - _INTERNAL, layout.node_slots + 8 * layout.slot_count)
        except Unreadable:
            return None
        shift, count = data[layout.node_shift], data[layout.node_count]
        slots = struct.unpack_from(f"<{layout.slot_count}Q", data, layout.node_slots)
        belongs = struct.unpack_from("<Q", data, layout.node_array)[0] == layout.array
        lower = shift < _WORD_BITS if above is None else shift + layout.slot_count.bit_length() - 1 == above
        # A node that was left out of the dump reads as zeros.
        return (shift, slots) if belongs and lower and count == sum(map(bool, slots)) else None


def _is_node(slot: int) -> bool:
    return slot & 3 == _INTERNAL and slot > _LOWEST_NODE


def _is_record(slot: int) -> bool:
    return slot != 0 and slot & 3 == 0
