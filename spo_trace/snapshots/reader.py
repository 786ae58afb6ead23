# SPDX-License-Identifier: LGPL-2.1-or-later
"""Read a snapshot: its tables as pandas DataFrames, with the requested columns only."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from spo_trace import schema
from spo_trace.errors import Argument, SpoTraceError
from spo_trace.snapshots.damage import Damage, naming_damage
from spo_trace.snapshots.meta import MachineFacts, Meta
from spo_trace.snapshots.meta_json import read_meta
from spo_trace.snapshots.page_size import Evidence, PageSizeFrom
from spo_trace.snapshots.table_file import Expected, TableFile, expected_rows, most_memory, optional_columns

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
        """Return `columns` (default: all) of `table` as a DataFrame.

        `table`: `pages`, `swap`, `stacks`, or one of `schema.OF_FILE` if the snapshot has it.
        """
        from spo_trace.snapshots.dataframes import to_frame

        return to_frame(self.arrow(table, columns))

    def arrow(self, table: str, columns: Sequence[str] | None = None, *, only_stored: bool = False) -> pa.Table:
        """Return `columns` (default: all) of `table` as an Arrow table; `only_stored`: skip those not in the file."""
        with self._opened(table) as file:
            if columns is not None and only_stored:
                columns = [name for name in columns if name in file.columns]
            present = self._present(file.columns, table, columns)
            # Tables without columns lose their number of rows when they are concatenated.
            found = pa.concat_tables(file.groups(present or file.columns[:1])).select(present)
        return _completed(found, self._schema(table), self._names(table) if columns is None else columns)

    def dataframes(self, table: str, columns: Sequence[str]) -> "Iterator[pd.DataFrame]":
        """Yield `columns` of `table` as one or more DataFrames of about 260,000 rows, to bound the memory in use."""
        from spo_trace.snapshots.dataframes import to_frame

        yield from map(to_frame, self.row_groups(table, columns))

    def row_groups(self, table: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield `columns` of `table` as one or more Arrow tables of about 260,000 rows."""
        with self._opened(table) as file:
            for group in file.groups(self._present(file.columns, table, columns)):
                yield _completed(group, self._schema(table), columns)

    # Columns that were added after the snapshot's schema version are null.
    def _present(self, found: Collection[str], table: str, columns: Sequence[str] | None) -> list[str]:
        absent = set(self._schema(table).names) - set(found)
        wanted = self._names(table) if columns is None else columns
        # pyarrow ignores columns that do not exist.
        if unknown := [name for name in wanted if name not in found and name not in absent]:
            raise Damage(f"there is no column {', '.join(unknown)}")
        missing = sorted(_of_pages(absent & set(wanted)))
        if table == "pages" and self.meta.page_columns is not None and missing:
            names = ", ".join(missing)
            raise SpoTraceError(
                f"{names} was not requested when the capture was opened",
                hint=("include it in ", Argument("page_columns")),
            )
        return [name for name in wanted if name not in absent]

    def count(self, table: str) -> int:
        """Return the number of rows of `table`."""
        if table not in self._counts:
            with self._opened(table) as file:
                self._counts[table] = file.rows
        return self._counts[table]

    @cached_property
    def _counts(self) -> dict[str, int]:
        return {}

    def has_values(self, table: str, column: str) -> bool:
        """Return whether any row of `table` has a value in `column`; usually the first rows have one."""
        if (table, column) not in self._columns_with_values:
            found = any(rows[column].notna().any() for rows in self.dataframes(table, [column]))
            self._columns_with_values[table, column] = found
        return self._columns_with_values[table, column]

    @cached_property
    def _columns_with_values(self) -> dict[tuple[str, str], bool]:
        return {}

    def batches(self, table: str, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield all columns of `table`, at most `rows` rows at a time."""
        with self._opened(table) as file:
            for group in file.groups(self._present(file.columns, table, None)):
                yield from group.to_batches(rows)

    @contextmanager
    def _opened(self, table: str) -> Iterator[TableFile]:
        stored = self._stored(table)
        path = self.path / f"{stored}.parquet"
        with naming_damage(path), TableFile(path, stored, self._expected(stored)) as file:
            yield file

    # An aggregate takes the place of pages.
    def _stored(self, table: str) -> str:
        return "aggregates" if table == "pages" and self.meta.aggregate is not None else table

    # Any snapshot can be asked for the columns of aggregates; they are null where they do not apply.
    def _schema(self, table: str) -> pa.Schema:
        if table != "pages":
            return schema.ALL_TABLES[table]
        return _AGGREGATE_PAGES if self.meta.aggregate is not None else schema.READABLE_PAGES

    def _names(self, table: str) -> list[str]:
        names: list[str] = (self._schema(table) if self._stored(table) != table else schema.ALL_TABLES[table]).names
        return names

    def _expected(self, table: str) -> Expected:
        stacks = 0 if table == "stacks" or table in schema.OF_FILE else self.count("stacks")
        return Expected(
            expected_rows(self.meta, table),
            stacks,
            self.page_size,
            optional_columns(self.meta, table),
            most_memory(self.meta, table),
        )

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


_AGGREGATE_PAGES = pa.schema([*schema.AGGREGATES, *schema.KERNEL_OWNER])


def _of_pages(names: Collection[str]) -> set[str]:
    return set(names) & set(schema.TABLES["pages"].names)


def _completed(arrow: pa.Table, known: pa.Schema, names: Sequence[str]) -> pa.Table:
    if arrow.column_names == list(names):
        return arrow
    for name in set(names) - set(arrow.column_names):
        field = known.field(name)
        arrow = arrow.append_column(field, pa.nulls(arrow.num_rows, field.type))
    return arrow.select(list(names))
