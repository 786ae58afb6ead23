# SPDX-License-Identifier: LGPL-2.1-or-later
"""Write a snapshot, which appears when it is complete."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO, Self

import pyarrow as pa
import pyarrow.parquet as pq

from spo_trace import schema
from spo_trace.files.access import OWN, Access
from spo_trace.files.closeable import Closeable
from spo_trace.files.descriptors import names
from spo_trace.files.output_directory import Kind, OutputDirectory
from spo_trace.formats.escape import escape
from spo_trace.formats.record import Reject
from spo_trace.snapshots.meta import Meta
from spo_trace.snapshots.meta_json import NAME, meta_bytes

__all__ = ["SNAPSHOT", "SnapshotWriter"]

# Enough that a group's own cost does not matter, little enough that compressing the last one ends soon.
_ROW_GROUP = 1 << 18

# The text itself is where the reject says; a runaway one (a file that is no page_owner text) is kept in part.
_KEPT_OF_A_REJECT = 1 << 16


# All that a snapshot may hold: whatever holds more is not removed.
_FILES = {NAME, "rejects.txt", *(f"{name}.parquet" for name in schema.TABLES)}

SNAPSHOT = Kind("a snapshot", lambda directory: set(names(directory)) <= _FILES)


class SnapshotWriter(Closeable):
    """Write the tables of a snapshot as their rows come; nothing is left behind unless `commit` is reached.

    `ahead`: rows are compressed in a thread of their own while the next ones are made. `tables`: their columns.
    """

    def __init__(
        self,
        target: Path,
        *,
        force: bool = False,
        access: Access = OWN,
        ahead: bool = False,
        tables: Mapping[str, pa.Schema] = schema.TABLES,
    ) -> None:
        self._ahead = ahead
        self._columns = tables
        self._output = OutputDirectory(target, SNAPSHOT, access=access, force=force)
        self._rejects: BinaryIO | None = None
        self._tables: dict[str, _TableWriter] = {}

    def __enter__(self) -> Self:
        """Begin the snapshot; raise SpoTraceError if that can't be."""
        self._output.__enter__()
        try:
            for name, columns in self._columns.items():
                self._tables[name] = _TableWriter(self._output.create(f"{name}.parquet"), columns, ahead=self._ahead)
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Remove what was not committed."""
        for table in self._tables.values():
            table.abandon()
        if self._rejects:
            _abandon(self._rejects)
        self._output.close()

    def write(self, table: str, batch: pa.RecordBatch) -> None:
        """Add rows to a table; columns that `batch` does not have, at the end of the table's, are null."""
        self._tables[table].write(batch)

    def finish(self, table: str) -> None:
        """Begin to write the last rows of a table; no more can follow."""
        self._tables[table].flush()

    def reject(self, reject: Reject) -> None:
        """Keep text that could not be parsed, escaped, in rejects.txt."""
        if self._rejects is None:
            self._rejects = self._output.create("rejects.txt")
        lost = "record lost" if reject.lost else "record kept without this"
        head = f"# {reject.file} line {reject.line} byte {reject.offset}: {reject.reason} ({lost})\n"
        body = "".join(f"{escape(line)}\n" for line in reject.text[:_KEPT_OF_A_REJECT].split(b"\n"))
        self._rejects.write((head + body).encode())

    def commit(self, meta: Meta) -> None:
        """Finish the tables, write `meta` as snapshot.json and give the snapshot its name."""
        for table in self._tables.values():
            table.close()
        if self._rejects:
            self._rejects.close()
        with self._output.create(NAME) as file:
            file.write(meta_bytes(meta))
        self._output.commit()


class _TableWriter:
    """Write one Parquet file in row groups of some 260,000 rows, in a bounded amount of memory."""

    def __init__(self, file: BinaryIO, table_schema: pa.Schema, *, ahead: bool) -> None:
        self._schema = table_schema
        self._pool = ThreadPoolExecutor(1) if ahead else None
        self._pending: Future[None] | None = None
        self._file = file
        file_schema = schema.for_pandas(table_schema)
        self._parquet = pq.ParquetWriter(self._file, file_schema, compression="zstd", **_encodings(table_schema))
        self._batches: list[pa.RecordBatch] = []
        self._rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        self._batches.append(batch)
        self._rows += batch.num_rows
        if self._rows >= _ROW_GROUP:
            self.flush()

    def close(self) -> None:
        if not self._file.closed:
            self.flush()
            self._wait()
            self._parquet.close()
            self._file.close()
        self._end()

    def abandon(self) -> None:
        """Let go of the file as it is; nothing happens after `close`."""
        self._end()
        # ParquetWriter would write a footer when it is collected, and fail on the closed file.
        self._parquet.is_open = False
        self._batches.clear()
        _abandon(self._file)

    def flush(self) -> None:
        """Write the rows that wait as a row group."""
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


# Numbers that hardly repeat gain nothing from a dictionary; those that grow from row to row shrink as differences.
def _encodings(table_schema: pa.Schema) -> dict[str, Any]:
    differences = [name for name in _GROWING if name in table_schema.names]
    repeating = [field.name for field in table_schema if field.name not in differences and not _is_list(field)]
    encodings = dict.fromkeys(differences, "DELTA_BINARY_PACKED")
    # Least and greatest of names and of repeating numbers help no reader, and took a third of the time of writing.
    return {"use_dictionary": repeating, "column_encoding": encodings, "write_statistics": differences}


_GROWING = ("pfn", "ts_nsec", "free_ts_nsec", "kernel_ts_nsec", "swp_entry", "swap_offset")


def _is_list(field: pa.Field) -> bool:
    return bool(pa.types.is_list(field.type))


# On a full disk, closing fails as writing did: what could not be written is of no interest any more.
def _abandon(file: BinaryIO) -> None:
    with suppress(OSError):
        file.close()
