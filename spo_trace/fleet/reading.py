# SPDX-License-Identifier: LGPL-2.1-or-later
"""Read the files of a fleet that the catalog names, a row group at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from spo_trace.errors import SpoTraceError
from spo_trace.fleet.catalog import check_file, read_file
from spo_trace.fleet.root import Root
from spo_trace.fleet.tables import CUBE
from spo_trace.limits import MAX_MEMORY_BYTES
from spo_trace.snapshots.damage import Damage, naming_damage

__all__ = ["AMOUNTS", "NO_AMOUNT", "CubeRows", "Vanished", "rows_of"]


class Vanished(SpoTraceError):
    """A file that the catalog named was removed, because `compact` wrote another one."""


AMOUNTS = ("mem_pages", "swap_pages", "swap_cache_pages")

NO_AMOUNT = "has a number of pages that no machine has"


@contextmanager
def _naming(root: Root, table: str, name: str) -> Iterator[None]:
    try:
        with naming_damage(root.shown(table, name)):
            yield
    except SpoTraceError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise Vanished(f"{root.shown(table, name)} was removed meanwhile", hint="ask again") from error
        raise


def rows_of(root: Root, table: str, name: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """Yield the row groups of a file; raise SpoTraceError, which names the file, if it is damaged."""
    with _naming(root, table, name):
        yield from read_file(root, table, name, columns)


@dataclass(frozen=True)
class CubeRows:
    """The cube's rows of snapshots `chosen` from the catalog, with `columns`, as an engine takes them.

    `is_whole`: a statement may read them several times. `failures`: gets the error for a file that cannot be read,
    which an engine passes on as text of its own.
    """

    root: Root
    chosen: pd.DataFrame
    columns: list[str]
    is_whole: bool = False
    failures: list[SpoTraceError] = field(default_factory=list)

    @property
    def files(self) -> list[str]:
        """Return the names of the files that have the rows."""
        return sorted(set(self.chosen["cube_file"]))

    def check(self) -> None:
        """Check the footers of all files; raise SpoTraceError, which names the file, if one is damaged."""
        for name in self.files:
            with _naming(self.root, "cube", name):
                check_file(self.root, "cube", name)

    def dataset(self) -> ds.Dataset:
        """Return the files as a dataset."""
        return self.root.dataset("cube", self.files)

    def reader(self) -> pa.RecordBatchReader:
        """Return a reader that yields the rows once."""
        plain = pa.schema([CUBE.field(name).with_nullable(True) for name in self.columns])
        schema = pa.schema([_in_memory(field) for field in plain])
        ids = self.chosen.groupby("cube_file", sort=True)["id"].agg(list)
        self.root.expect("cube", map(str, ids.index))
        groups = (_of_file(self.root, str(file), own, self.columns) for file, own in ids.items())
        batches = (batch for table in chain.from_iterable(groups) for batch in table.cast(schema).to_batches())
        return pa.RecordBatchReader.from_batches(schema, self._noting(batches))

    def _noting(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except SpoTraceError as error:
            self.failures.append(error)
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
    for name in AMOUNTS:
        limits = pc.min_max(rows[name]).as_py()
        if limits["min"] is not None and (limits["min"] < 0 or limits["max"] > MAX_MEMORY_BYTES):
            raise Damage(f"column {name} {NO_AMOUNT}")
