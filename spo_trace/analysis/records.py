# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every record of a snapshot as one flat table, for other tools to go on with."""

from collections.abc import Iterator

import pandas as pd
import pyarrow as pa

from spo_trace import schema
from spo_trace.analysis.stack_keys import stack_text
from spo_trace.snapshots.frames import to_frame
from spo_trace.snapshots.reader import Snapshot

__all__ = ["record_tables", "records_schema"]

_OF_STACK = ("stack_hash", "caller", "module", "category", "stack")

_BATCH = 1 << 16


def records_schema() -> pa.Schema:
    """Return the columns of `record_tables`: where, those of pages, those that only swap has, those of the stack.

    `kernel_stack` is the stack of the kernel's own owner, where the probes know another.
    """
    swap_only = [field for field in schema.SWAP if field.name not in schema.PAGES.names]
    fields = [
        pa.field("where", pa.string()),
        *schema.PAGES,
        *schema.KERNEL_OWNER,
        *swap_only,
        *(pa.field(n, pa.string()) for n in (*_OF_STACK, "kernel_stack")),
    ]
    plain = [pa.field(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in fields]
    return pa.schema([field for field in plain if not field.name.endswith("stack_id")])


def record_tables(snap: Snapshot) -> Iterator[pa.Table]:
    """Yield all records of memory (`where` = memory), then of swap, with their stacks, in tables of bounded size."""
    stacks = {name: pa.array(stack_text(snap.stacks, name), pa.string()) for name in _OF_STACK}
    for table, where in (("pages", "memory"), ("swap", "swap")):
        for batch in snap.batches(table, _BATCH):
            yield _joined(batch, where, stacks)


def _joined(batch: pa.RecordBatch, where: str, stacks: dict[str, pa.Array]) -> pa.Table:
    columns = []
    for field in records_schema():
        if field.name == "where":
            columns.append(pa.array([where] * batch.num_rows, field.type))
        elif field.name in stacks:
            columns.append(stacks[field.name].take(batch.column("stack_id")))
        elif field.name == "kernel_stack" and "kernel_stack_id" in batch.schema.names:
            columns.append(stacks["stack"].take(batch.column("kernel_stack_id")))
        elif field.name in batch.schema.names:
            columns.append(batch.column(field.name).cast(field.type))
        else:
            columns.append(pa.nulls(batch.num_rows, field.type))
    return pa.table(columns, schema=records_schema())


def to_frames(tables: Iterator[pa.Table]) -> Iterator[pd.DataFrame]:
    """Yield the tables as DataFrames, whole numbers kept whole."""
    for table in tables:
        yield to_frame(table)
