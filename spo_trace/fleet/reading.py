# SPDX-License-Identifier: LGPL-2.1-or-later
"""Read the files of a fleet that the catalog names, a row group at a time."""

from collections.abc import Iterator
from itertools import chain

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from spo_trace.errors import SpoTraceError
from spo_trace.fleet.catalog import read_file
from spo_trace.fleet.root import Root
from spo_trace.fleet.tables import CUBE
from spo_trace.limits import MAX_MEMORY_BYTES
from spo_trace.snapshots.damage import Damage, naming_damage

__all__ = ["Vanished", "cube_reader", "rows_of"]


class Vanished(SpoTraceError):
    """A file that the catalog named was removed, because `compact` wrote another one."""


_AMOUNTS = ("mem_pages", "swap_pages", "swap_cache_pages")


def rows_of(root: Root, table: str, name: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """Yield the row groups of a file; raise SpoTraceError, which names the file, if it is damaged."""
    try:
        with naming_damage(root.shown(table, name)):
            yield from read_file(root, table, name, columns)
    except SpoTraceError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise Vanished(f"{root.shown(table, name)} was removed meanwhile", hint="ask again") from error
        raise


def cube_reader(
    root: Root, chosen: pd.DataFrame, columns: set[str], failures: list[SpoTraceError]
) -> pa.RecordBatchReader:
    """Return a reader of the cube's rows of the chosen snapshots (of the catalog), which yields them once.

    `columns`: those needed in addition to the snapshot, the stack and the amounts. `failures`: gets the error for a
    file that cannot be read.
    """
    wanted = {"snapshot", "stack", *_AMOUNTS, *columns}
    names = [name for name in CUBE.names if name in wanted]
    plain = pa.schema([CUBE.field(name).with_nullable(True) for name in names])
    schema = pa.schema([_in_memory(field) for field in plain])
    ids = chosen.groupby("cube_file", sort=True)["id"].agg(list)
    root.expect("cube", map(str, ids.index))
    groups = (_of_file(root, str(file), own, names) for file, own in ids.items())
    batches = (batch for table in chain.from_iterable(groups) for batch in table.cast(schema).to_batches())
    return pa.RecordBatchReader.from_batches(schema, _noting(batches, failures))


def _noting(batches: Iterator[pa.RecordBatch], failures: list[SpoTraceError]) -> Iterator[pa.RecordBatch]:
    try:
        yield from batches
    except SpoTraceError as error:
        failures.append(error)
        raise


# Texts that repeat stay dictionaries, which DuckDB groups and joins faster.
def _in_memory(field: pa.Field) -> pa.Field:
    return field.with_type(pa.dictionary(pa.int32(), pa.string())) if pa.types.is_string(field.type) else field


# A file counts only for the snapshots whose rows of the catalog name it: another file may have them, too.
def _of_file(root: Root, file: str, ids: list[str], names: list[str]) -> Iterator[pa.Table]:
    for rows in rows_of(root, "cube", file, names):
        with naming_damage(root.shown("cube", file)):
            _check(rows)
        yield rows.filter(pc.is_in(rows["snapshot"], pa.array(ids, pa.string())))


def _check(rows: pa.Table) -> None:
    for name in _AMOUNTS:
        limits = pc.min_max(rows[name]).as_py()
        if limits["min"] is not None and (limits["min"] < 0 or limits["max"] > MAX_MEMORY_BYTES):
            raise Damage(f"column {name} has a number of pages that no machine has")
