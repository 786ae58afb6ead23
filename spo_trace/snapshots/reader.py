# SPDX-License-Identifier: LGPL-2.1-or-later
"""Read a snapshot: its tables as pandas DataFrames, with the requested columns only."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from spo_trace import schema
from spo_trace.errors import Argument, SpoTraceError
from spo_trace.snapshots.meta import MachineFacts, Meta
from spo_trace.snapshots.meta_json import read_meta
from spo_trace.snapshots.page_size import Evidence, PageSizeFrom

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Snapshot"]


class Snapshot:
    """Hold a snapshot on disk; each table is read on first use.

    >>> Snapshot(Path("now.spo")).read("pages", ["comm", "order"]).columns.to_list()
    ['comm', 'order']
    """

    def __init__(self, path: Path, *, page_size: int | None = None) -> None:
        """Open the directory `path`; raise SpoTraceError if it is no snapshot or of a newer schema version.

        `page_size`: of the machine, in bytes; overrides the one in the snapshot.
        """
        self.path = path
        self.meta: Meta = read_meta(path)
        if page_size is not None:
            self.meta = replace(self.meta, machine=_with_page_size(self.meta.machine, page_size))

    def __repr__(self) -> str:
        return f"Snapshot({str(self.path)!r}, kernel={self.meta.machine.kernel_release!r})"

    @property
    def page_size(self) -> int:
        """Return the machine's page size in bytes."""
        return self.meta.machine.page_size

    def read(self, table: str, columns: Sequence[str] | None = None) -> "pd.DataFrame":
        """Return `columns` (default: all) of `table` (`pages`, `swap` or `stacks`) as a DataFrame."""
        from spo_trace.snapshots.dataframes import to_frame

        return to_frame(self.arrow(table, columns))

    def arrow(self, table: str, columns: Sequence[str] | None = None, *, only_stored: bool = False) -> pa.Table:
        """Return `columns` (default: all) of `table` as an Arrow table; `only_stored`: skip those not in the file."""
        with self._opening(table) as path, pq.ParquetFile(path) as file:
            if columns is not None and only_stored:
                columns = [name for name in columns if name in file.schema_arrow.names]
            present = self._present(file.schema_arrow, table, columns)
            # pyarrow 18 fails to read a file without row groups.
            if file.num_row_groups:
                found = file.read(columns=present)
            else:
                empty = file.schema_arrow.empty_table()
                found = empty if present is None else empty.select(present)
        return _completed(found, table, columns)

    def dataframes(self, table: str, columns: Sequence[str]) -> "Iterator[pd.DataFrame]":
        """Yield `columns` of `table` as one or more DataFrames of about 260,000 rows, to bound the memory in use."""
        from spo_trace.snapshots.dataframes import to_frame

        with self._opening(table) as path, pq.ParquetFile(path) as file:
            present = self._present(file.schema_arrow, table, columns)
            for number in range(file.num_row_groups):
                yield to_frame(_completed(file.read_row_group(number, columns=present), table, columns))
            # pyarrow 18 fails to read a file without row groups.
            if not file.num_row_groups:
                empty = file.schema_arrow.empty_table()
                yield to_frame(_completed(empty if present is None else empty.select(present), table, columns))

    # Columns that were added after the snapshot's schema version are null.
    def _present(self, found: pa.Schema, table: str, columns: Sequence[str] | None) -> list[str] | None:
        absent = set(schema.TABLES[table].names) - set(found.names)
        wanted = schema.TABLES[table].names if columns is None else columns
        # pyarrow ignores columns that do not exist.
        if unknown := [name for name in wanted if name not in found.names and name not in absent]:
            raise pa.ArrowInvalid(f"there is no column {', '.join(unknown)}")
        if table == "pages" and self.meta.page_columns is not None and (missing := sorted(absent & set(wanted))):
            names = ", ".join(missing)
            raise SpoTraceError(
                f"{names} was not requested when the capture was opened",
                hint=("include it in ", Argument("page_columns")),
            )
        return None if columns is None else [name for name in columns if name not in absent]

    def count(self, table: str) -> int:
        """Return the number of rows of `table`."""
        with self._opening(table) as path:
            return int(pq.read_metadata(path).num_rows)

    def batches(self, table: str, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield all columns of `table`, at most `rows` rows at a time."""
        with self._opening(table) as path, pq.ParquetFile(path) as file:
            if file.num_row_groups:  # pyarrow 18 fails to read a file without row groups.
                yield from file.iter_batches(rows)

    @contextmanager
    def _opening(self, table: str) -> Iterator[Path]:
        path = self.path / f"{table}.parquet"
        try:
            yield path
        except (OSError, pa.ArrowException) as error:
            reason = str(error).partition("\n")[0]
            raise SpoTraceError(
                f"{path} can't be read: {reason}", hint="is the snapshot complete? take it again"
            ) from error

    @cached_property
    def pages(self) -> "pd.DataFrame":
        """Return one row for each allocation in memory (columns of `schema.PAGES`)."""
        return self.read("pages")

    @cached_property
    def swap(self) -> "pd.DataFrame":
        """Return one row for each swap entry (columns of `schema.SWAP`)."""
        return self.read("swap")

    @cached_property
    def stacks(self) -> "pd.DataFrame":
        """Return one row for each distinct stack (columns of `schema.STACKS`), row number = stack_id."""
        return self.read("stacks")


# The page size in the snapshot stays as evidence, which may contradict the given one.
def _with_page_size(machine: MachineFacts, page_size: int) -> MachineFacts:
    found = list(machine.page_size_evidence)
    recorded = Evidence(machine.page_size, machine.page_size_from)
    if recorded not in found and recorded.source is not PageSizeFrom.ASSUMED:
        found.insert(0, recorded)
    return replace(machine, page_size=page_size, page_size_from=PageSizeFrom.OPTION, page_size_evidence=found)


def _completed(arrow: pa.Table, table: str, columns: Sequence[str] | None) -> pa.Table:
    names = schema.TABLES[table].names if columns is None else columns
    if arrow.column_names == list(names):
        return arrow
    for name in set(names) - set(arrow.column_names):
        field = schema.TABLES[table].field(name)
        arrow = arrow.append_column(field, pa.nulls(arrow.num_rows, field.type))
    return arrow.select(list(names))
