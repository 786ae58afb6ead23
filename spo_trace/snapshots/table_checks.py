# SPDX-License-Identifier: LGPL-2.1-or-later
"""Check the values of a snapshot's tables, so that no analysis adds up what no kernel can have."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from spo_trace import schema
from spo_trace.formats.arrays import base_pages
from spo_trace.formats.stack_table import hash_texts, named_frames
from spo_trace.formats.swp_entry import TYPE_SHIFTS, TYPES
from spo_trace.limits import (
    COUNT_RANGE,
    MAX_AGGREGATE_COUNT,
    MAX_MEMORY_BYTES,
    MAX_ORDER,
    MAX_SITES_BYTES,
    MAX_TEXT_BYTES,
)
from spo_trace.snapshots.damage import Damage
from spo_trace.snapshots.meta import Origin

__all__ = ["RowChecks"]

# Columns that can only be checked together with others. Swap is counted by its type, and is only as good as its origin.
_WITH = {
    "swap_type": ("swp_entry", "swap_offset", "origin"),
    "swap_offset": ("swp_entry", "swap_type"),
    "frames": ("stack_id", "stack_hash", "handle"),
    "slabs": ("pages_per_slab",),
    "pages_per_slab": ("slabs",),
}

# Numbers of 64 bits that are signed only because many readers have no others.
_NOT_NEGATIVE = frozenset({"pfn", "ts_nsec", "free_ts_nsec", "kernel_ts_nsec"})

# Amounts of the machine's tables.
_AMOUNTS = {
    "processes": frozenset({"swap_bytes", "swap_share_bytes"}),
    "cgroups": frozenset({"swap_bytes"}),
    "slab_caches": frozenset(schema.SLAB_CACHES.names) - {"slab_cache"},
}


class RowChecks:
    """Check the rows of one pass over a table; raise Damage at the first wrong value.

    `stacks`: the number of rows of stacks. `page_size`: in bytes. `memory`: the most bytes that
    the rows can add up to, None if unknown.
    """

    def __init__(self, table: str, stacks: int, page_size: int, memory: int | None = None) -> None:
        self._schema = schema.ALL_TABLES[table]
        self._table = table
        self._stacks = stacks
        self._page_size = page_size
        self._memory = memory
        self._rows = 0
        self._pages = 0
        self._sites = 0
        self._machine_bytes = 0

    def needed(self, columns: Sequence[str]) -> list[str]:
        """Return `columns`, and those that must be read to check them."""
        return list(dict.fromkeys([*columns, *(other for name in columns for other in _WITH.get(name, ()))]))

    def check(self, rows: pa.Table) -> None:
        """Check the next rows of the table; only the columns that `rows` has."""
        has = set(rows.column_names)
        for name in has:
            if name in self._schema.names and not self._schema.field(name).nullable:
                self._no_nulls(rows, name)
        for name, most in (("stack_id", self._stacks - 1), ("kernel_stack_id", self._stacks - 1), ("order", MAX_ORDER)):
            if name in has and not (self._table == "stacks" and name == "stack_id"):
                self._at_most(rows, name, most)
        for name in has & _NOT_NEGATIVE:
            self._at_least(rows, name, 0)
        if "origin" in has:
            self._origins(rows)
        if has >= {"swp_entry", "swap_type", "swap_offset"}:
            self._swap_entries(rows)
        if has >= {"stack_id", "stack_hash", "frames", "handle"}:
            self._stack_rows(rows)
        if self._table == "sites":
            self._site_bytes(rows)
        for name in has & _AMOUNTS.get(self._table, frozenset()):
            self._within(rows, name, 0, MAX_MEMORY_BYTES)
        self._machine_rows(rows)
        for name in has & {"allocations", "base_pages"}:
            self._within(rows, name, 0, MAX_AGGREGATE_COUNT)
        if "nr_base_pages" in has:
            self._within(rows, "nr_base_pages", *COUNT_RANGE)
        for name in has:
            self._short_texts(rows, name)
        self._add_up(rows)
        self._rows += rows.num_rows

    def _no_nulls(self, rows: pa.Table, name: str) -> None:
        column = rows[name]
        if column.null_count:
            raise self._wrong(pc.is_null(column), name, "a value is missing")
        if pa.types.is_list(column.type) and (texts := pc.list_flatten(column)).null_count:
            row = pc.list_parent_indices(column).filter(pc.is_null(texts))[0].as_py()
            raise Damage(f"{self._place(row, name)}: a value is missing")

    def _at_most(self, rows: pa.Table, name: str, most: int) -> None:
        largest = pc.max(rows[name]).as_py()
        if largest is not None and largest > most:
            raise self._wrong(pc.greater(rows[name], most), name, f"{largest} exceeds {most}")

    def _within(self, rows: pa.Table, name: str, least: int, most: int) -> None:
        self._at_most(rows, name, most)
        self._at_least(rows, name, least)

    def _at_least(self, rows: pa.Table, name: str, least: int) -> None:
        smallest = pc.min(rows[name]).as_py()
        if smallest is not None and smallest < least:
            raise self._wrong(pc.less(rows[name], least), name, f"{smallest} is less than {least}")

    # Each text is checked once, however many rows have it.
    def _short_texts(self, rows: pa.Table, name: str) -> None:
        for chunk in rows[name].chunks:
            texts = chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk
            texts = texts.flatten() if pa.types.is_list(texts.type) else texts
            if pa.types.is_string(texts.type) and (pc.max(pc.binary_length(texts)).as_py() or 0) > MAX_TEXT_BYTES:
                raise Damage(f"column {name}: a text has more than {MAX_TEXT_BYTES:,} bytes")

    def _origins(self, rows: pa.Table) -> None:
        known = pc.is_in(rows["origin"].cast(pa.string()), pa.array(list(Origin), pa.string()))
        if not pc.all(known).as_py() and rows.num_rows:
            raise self._wrong(pc.invert(known), "origin", f"not one of {', '.join(Origin)}")

    def _swap_entries(self, rows: pa.Table) -> None:
        self._at_most(rows, "swap_type", TYPES - 1)
        entry, kind, offset = (_numbers(rows[name]) for name in ("swp_entry", "swap_type", "swap_offset"))
        same = [(entry >> shift == kind) & (entry & ((1 << shift) - 1) == offset) for shift in TYPE_SHIFTS]
        # A machine has one word size, so one of the two ways must fit all entries.
        if not any(way.all() for way in same):
            row = int(np.argmin(same[0]))
            raise Damage(f"{self._place(row, 'swp_entry')}: it is not swap_type and swap_offset")

    def _stack_rows(self, rows: pa.Table) -> None:
        numbers = np.arange(self._rows, self._rows + rows.num_rows)
        wrong = _numbers(rows["stack_id"]) != numbers
        if wrong.any():
            raise Damage(f"{self._place(int(np.argmax(wrong)), 'stack_id')}: it is not the number of the row")
        values = (rows[name].to_pylist() for name in ("frames", "handle", "stack_hash"))
        for row, (frames, handle, found) in enumerate(zip(*values, strict=True)):
            if hash_texts(named_frames(frames, handle)) != found:
                raise Damage(f"{self._place(row, 'stack_hash')}: it is not the hash of the frames")

    def _site_bytes(self, rows: pa.Table) -> None:
        if "bytes" in rows.column_names:
            self._sites += sum(map(abs, rows["bytes"].to_pylist()))
        if self._sites > MAX_SITES_BYTES:
            raise Damage("the sites add up to more memory than any machine has")

    def _machine_rows(self, rows: pa.Table) -> None:
        if self._table == "slab_caches" and set(rows.column_names) >= {"slabs", "pages_per_slab"}:
            sizes = zip(rows["slabs"].to_pylist(), rows["pages_per_slab"].to_pylist(), strict=True)
            self._machine_bytes += sum(slabs * pages for slabs, pages in sizes) * self._page_size
        elif self._table in ("processes", "cgroups") and "swap_bytes" in rows.column_names:
            self._machine_bytes += sum(size or 0 for size in rows["swap_bytes"].to_pylist())
        if self._machine_bytes > MAX_MEMORY_BYTES:
            raise Damage("the rows add up to more memory than any machine has")

    def _add_up(self, rows: pa.Table) -> None:
        if self._table == "pages" and "order" in rows.column_names:
            self._pages += base_pages(_numbers(rows["order"]))
        elif self._table == "aggregates" and "base_pages" in rows.column_names:
            self._pages += pc.sum(rows["base_pages"]).as_py() or 0
        elif self._table == "swap":
            self._pages += rows.num_rows
        size = self._pages * self._page_size
        if size > MAX_MEMORY_BYTES:
            raise Damage("the rows add up to more memory than any machine has")
        if self._memory is not None and size > self._memory:
            raise Damage("the rows add up to more memory than the zones of the machine have")

    def _wrong(self, wrong: pa.ChunkedArray, name: str, why: str) -> Damage:
        return Damage(f"{self._place(pc.index(wrong, True).as_py(), name)}: {why}")

    def _place(self, row: int, name: str) -> str:
        return f"column {name}, row {self._rows + row + 1:,}"


def _numbers(column: pa.ChunkedArray) -> "npt.NDArray[np.integer[Any]]":
    numbers: npt.NDArray[np.integer[Any]] = column.to_numpy()
    return numbers
