# SPDX-License-Identifier: LGPL-2.1-or-later
"""Write a snapshot, which appears under its name only when it is complete."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import groupby
from typing import Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from spo_trace import schema
from spo_trace.files.closeable import Closeable
from spo_trace.files.output_directory import OutputDirectory
from spo_trace.formats.arrays import numbers
from spo_trace.formats.record import Reject
from spo_trace.pandas_metadata import for_pandas
from spo_trace.snapshots.identity import identity_of
from spo_trace.snapshots.meta import MachineFacts, Meta
from spo_trace.snapshots.meta_json import NAME, meta_bytes
from spo_trace.snapshots.rejects_file import RejectsFile

__all__ = ["SnapshotWriter", "parquet_options"]

# Large enough to amortise the cost of a row group, small enough that the last one is compressed quickly.
_ROW_GROUP = 1 << 18


class SnapshotWriter(Closeable):
    """Write the tables of a snapshot in batches of rows; without `commit`, everything is removed again.

    `ahead`: compress in a separate thread while the next rows are produced. `tables`: the columns of each table
    that every snapshot has; the others are made when they are written.
    """

    def __init__(
        self, output: OutputDirectory, *, ahead: bool = False, tables: Mapping[str, pa.Schema] = schema.TABLES
    ) -> None:
        """Take the directory `output`, see `snapshot_directory`; it is created if it was not entered yet."""
        self._ahead = ahead
        self._columns = tables
        self._output = output
        self._rejects = RejectsFile(self._output.create)
        self._tables: dict[str, _TableWriter] = {}
        self._identity: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Create the temporary files; raise SpoTraceError if that fails."""
        self._output.__enter__()
        try:
            for name, columns in self._columns.items():
                self._begin(name, columns)
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Remove everything that was not committed."""
        for table in self._tables.values():
            table.abandon()
        self._rejects.abandon()
        self._output.close()

    def identify(self, machine: MachineFacts) -> None:
        """Note the machine in the metadata of all files; call this before a table is finished."""
        self._identity = identity_of(machine)

    def write(self, table: str, batch: pa.RecordBatch) -> None:
        """Add rows to a table; columns at its end that `batch` lacks are null."""
        if table not in self._tables:
            self._begin(table, schema.ALL_TABLES[table])
        self._tables[table].write(batch)

    def _begin(self, name: str, columns: pa.Schema) -> None:
        self._tables[name] = _TableWriter(self._output.create(f"{name}.parquet"), columns, ahead=self._ahead)

    def written(self, table: str, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Finish a table, and yield `columns` of its rows in order."""
        self._tables[table].close(self._identity)
        with self._output.reopen(f"{table}.parquet") as file:
            yield from _batches(file, columns)

    def keep_rows(self, table: str, keep: npt.NDArray[np.bool_]) -> None:
        """Finish a table, and write it again with these rows only."""
        self._tables[table].close(self._identity)
        name = f"{table}.parquet"
        smaller = _TableWriter(self._output.create(f"{name}.new"), self._columns[table], ahead=self._ahead)
        self._tables[table] = smaller
        row = 0
        with self._output.reopen(name) as file:
            for batch in _batches(file, self._columns[table].names):
                smaller.write(batch.filter(numbers(keep[row : row + batch.num_rows])))
                row += batch.num_rows
        smaller.close(self._identity)
        self._output.move(f"{name}.new", name)

    def finish(self, table: str) -> None:
        """Start writing the last rows of a table; no more rows may follow."""
        self._tables[table].flush()

    def reject(self, reject: Reject) -> bool:
        """Add text that could not be parsed to rejects.txt; return whether it was within the limit."""
        return self._rejects.add(reject)

    def commit(self, meta: Meta) -> None:
        """Finish the tables, write snapshot.json and give the snapshot its name."""
        self._identity = self._identity or identity_of(meta.machine)
        for table in self._tables.values():
            table.close(self._identity)
        self._rejects.close()
        with self._output.create(NAME) as file:
            file.write(meta_bytes(meta))
        self._output.commit()


def _batches(file: BinaryIO, columns: list[str]) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(file) as parquet:
        for number in range(parquet.num_row_groups):
            yield from parquet.read_row_group(number, columns=columns).to_batches()


class _TableWriter:
    """Write one Parquet file in row groups of about 260,000 rows, to bound the memory in use."""

    def __init__(self, file: BinaryIO, table_schema: pa.Schema, *, ahead: bool) -> None:
        self._schema = table_schema
        self._pool = ThreadPoolExecutor(1) if ahead else None
        self._pending: Future[None] | None = None
        self._file = file
        file_schema = for_pandas(table_schema)
        self._parquet = pq.ParquetWriter(self._file, file_schema, **parquet_options(table_schema))
        self._batches: list[pa.RecordBatch] = []
        self._rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        self._batches.append(batch)
        self._rows += batch.num_rows
        if self._rows >= _ROW_GROUP:
            self.flush()

    def close(self, identity: Mapping[str, str]) -> None:
        if not self._file.closed:
            self.flush()
            self._wait()
            self._parquet.add_key_value_metadata(identity)
            self._parquet.close()
            self._file.close()
        self._end()

    def abandon(self) -> None:
        """Close the file without finishing it; do nothing after `close`."""
        self._end()
        # When collected, ParquetWriter would write a footer to the closed file and fail.
        self._parquet.is_open = False
        self._batches.clear()
        _abandon(self._file)

    def flush(self) -> None:
        """Write the buffered rows as a row group."""
        if not self._rows:
            return
        table = self._table().unify_dictionaries()
        self._wait()
        if self._pool:
            self._pending = self._pool.submit(self._parquet.write_table, table, row_group_size=self._rows)
        else:
            self._parquet.write_table(table, row_group_size=self._rows)
        self._batches.clear()
        self._rows = 0

    def _table(self) -> pa.Table:
        alike = [list(group) for _, group in groupby(self._batches, lambda batch: batch.num_columns)]
        table = pa.concat_tables(map(pa.Table.from_batches, alike), promote_options="default")
        for field in list(self._schema)[table.num_columns :]:
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
        return table

    def _wait(self) -> None:
        pending, self._pending = self._pending, None
        if pending:
            pending.result()

    def _end(self) -> None:
        if self._pool:
            self._pool.shutdown()


def parquet_options(table_schema: pa.Schema) -> dict[str, Any]:
    """Return the options of ParquetWriter for a table of a snapshot."""
    # Numbers that rarely repeat gain nothing from a dictionary; ascending ones are smaller as differences.
    differences = [name for name in _GROWING if name in table_schema.names]
    repeating = [field.name for field in table_schema if field.name not in differences and not _is_list(field)]
    encodings = dict.fromkeys(differences, "DELTA_BINARY_PACKED")
    # Statistics of the other columns are of no use to readers, and took a third of the writing time.
    return {
        "compression": "zstd",
        "use_dictionary": repeating,
        "column_encoding": encodings,
        "write_statistics": differences,
        "write_page_checksum": True,
    }


_GROWING = ("pfn", "ts_nsec", "free_ts_nsec", "kernel_ts_nsec", "swp_entry", "swap_offset")


def _is_list(field: pa.Field) -> bool:
    return bool(pa.types.is_list(field.type))


# On a full disk, closing fails as writing did. The file is removed anyway.
def _abandon(file: BinaryIO) -> None:
    with suppress(OSError):
        file.close()
