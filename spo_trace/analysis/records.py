# SPDX-License-Identifier: LGPL-2.1-or-later
"""The records of a snapshot in one flat table, for export to other tools."""

from collections.abc import Iterable, Iterator
from itertools import chain

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from spo_trace import schema
from spo_trace.analysis.known_keys import unselected
from spo_trace.analysis.matching import Matching
from spo_trace.analysis.stack_keys import stack_text
from spo_trace.analysis.swap_cache import SwapCache
from spo_trace.analysis.where import Condition
from spo_trace.snapshots.dataframes import to_frame
from spo_trace.snapshots.reader import Snapshot

__all__ = ["memory_rows", "record_tables", "records_schema", "text_frames"]

_OF_STACK = ("stack_hash", "caller", "module", "category", "stack")

# Columns with a second name, because the first one is a reserved word in SQL.
_ALIASES = {"in_table": "where", "alloc_order": "order"}

# Times that rows of swap lack. In CSV and JSON, a column with gaps becomes float64 in many readers, which rounds beyond
# 2**53 ns (104 days of uptime). Parquet has types.
_HEXADECIMAL_IN_TEXT = ("free_ts_nsec", "kernel_ts_nsec")

_BATCH = 1 << 16

_ALL = Condition(None)


def records_schema() -> pa.Schema:
    """Return the columns of `record_tables`: `where`, those of pages, those that only swap has, those of stacks.

    `kernel_stack` is the stack in page_owner if the probes restored another owner. The last columns are in_table and
    alloc_order (the same as where and order), page_size (of a base page), bytes (of the record) and in_swap_cache (a
    record of memory whose swap entries are listed, too; null in swap and without page flags).
    """
    swap_only = [field for field in schema.SWAP if field.name not in schema.PAGES.names]
    fields = [
        pa.field("where", pa.string()),
        *schema.PAGES,
        *schema.KERNEL_OWNER,
        *swap_only,
        *(pa.field(n, pa.string()) for n in (*_OF_STACK, "kernel_stack")),
        pa.field("in_table", pa.string()),
        pa.field("alloc_order", pa.uint8()),
        pa.field("page_size", pa.uint32()),
        pa.field("bytes", pa.int64()),
        pa.field("in_swap_cache", pa.bool_()),
    ]
    return pa.schema([(field.name, _plain_type(field)) for field in fields if not field.name.endswith("stack_id")])


def _plain_type(field: pa.Field) -> pa.DataType:
    if field.name in schema.HEXADECIMAL:
        return pa.string()
    return field.type.value_type if pa.types.is_dictionary(field.type) else field.type


def record_tables(snap: Snapshot, condition: Condition = _ALL) -> Iterator[pa.Table]:
    """Yield the records of memory (`where` = memory), then of swap, with their stacks, in tables of bounded size.

    Only those that match the condition; none of a table that lacks a key of it. Raise SpoTraceError if both lack one.
    There is at least one table.
    """
    left_out = {one.table for one in unselected(snap, condition)}
    tables = []
    if "pages" not in left_out:
        tables.append(memory_rows(snap, _selected(snap, "pages", condition)))
    if "swap" not in left_out:
        tables.append(_swap_rows(snap, _selected(snap, "swap", condition)))
    any_rows = False
    for table in chain(*tables):
        if table.num_rows:
            any_rows = True
            yield table
    if not any_rows:
        yield records_schema().empty_table()


def memory_rows(snap: Snapshot, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield records of memory, with all columns of pages, as rows of the flat table."""
    stacks, cache = _stack_texts(snap), SwapCache(snap)
    for batch in batches:
        yield _joined(batch, "memory", stacks, snap.page_size, in_swap_cache=_in_swap_cache(batch, cache))


def _swap_rows(snap: Snapshot, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    stacks = _stack_texts(snap)
    for batch in batches:
        unknown = pa.nulls(batch.num_rows, pa.bool_())
        yield _joined(batch, "swap", stacks, snap.page_size, in_swap_cache=unknown)


def _stack_texts(snap: Snapshot) -> dict[str, pa.Array]:
    return {name: pa.array(stack_text(snap.stacks, name), pa.string()) for name in _OF_STACK}


def _selected(snap: Snapshot, table: str, condition: Condition) -> Iterator[pa.RecordBatch]:
    matching = Matching(snap, table, condition)
    for batch in snap.batches(table, _BATCH):
        yield batch if condition.text is None else batch.filter(pa.array(matching.rows(batch)))


def _in_swap_cache(batch: pa.RecordBatch, cache: SwapCache) -> pa.Array:
    if not cache.columns:
        return pa.array([False] * batch.num_rows, pa.bool_())
    held = cache.holds(to_frame(pa.Table.from_batches([batch.select(list(cache.columns))])))
    return pa.array(held, pa.bool_(), mask=batch.column("page_flag_names").is_null().to_numpy(zero_copy_only=False))


def _joined(
    batch: pa.RecordBatch, where: str, stacks: dict[str, pa.Array], page_size: int, *, in_swap_cache: pa.Array
) -> pa.Table:
    rows = batch.num_rows
    derived = {
        "where": pa.array([where] * rows, pa.string()),
        "page_size": pa.array([page_size] * rows, pa.uint32()),
        "bytes": pc.multiply(_base_pages(batch), pa.scalar(page_size, pa.int64())),
        "in_swap_cache": in_swap_cache,
        **{name: texts.take(batch.column("stack_id")) for name, texts in stacks.items()},
    }
    if "kernel_stack_id" in batch.schema.names:
        derived["kernel_stack"] = stacks["stack"].take(batch.column("kernel_stack_id"))
    columns = []
    for field in records_schema():
        name = _ALIASES.get(field.name, field.name)
        column = derived[name] if name in derived else batch.column(name) if name in batch.schema.names else None
        if column is None:
            columns.append(pa.nulls(rows, field.type))
        else:
            columns.append(_hexadecimal(column) if name in schema.HEXADECIMAL else column.cast(field.type))
    return pa.table(columns, schema=records_schema())


def _base_pages(batch: pa.RecordBatch) -> pa.Array:
    if "base_pages" in batch.schema.names:
        return batch.column("base_pages")
    one = pa.array([1] * batch.num_rows, pa.int64())
    return pc.shift_left(one, batch.column("order").cast(pa.int64())) if "order" in batch.schema.names else one


def _hexadecimal(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if column.null_count == len(column):
        return pa.nulls(len(column), pa.string())
    return pa.array([None if value is None else hex(value) for value in column.to_pylist()], pa.string())


def text_frames(tables: Iterator[pa.Table]) -> Iterator[pd.DataFrame]:
    """Yield the tables as DataFrames for CSV and JSON; numbers that their readers would round become hexadecimal."""
    for table in tables:
        for name in _HEXADECIMAL_IN_TEXT:
            number = table.schema.get_field_index(name)
            table = table.set_column(number, name, _hexadecimal(table.column(number)))
        yield to_frame(table)
