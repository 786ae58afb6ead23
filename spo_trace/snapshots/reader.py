# SPDX-License-Identifier: LGPL-2.1-or-later
"""Read a snapshot: its tables as pandas DataFrames, only the columns that are asked for."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from spo_trace import schema
from spo_trace.errors import SpoTraceError
from spo_trace.version import UPGRADE

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Snapshot"]


class Snapshot:
    """Hold a snapshot on disk; its tables are read when they are first asked for.

    >>> Snapshot(Path("now.spo")).read("pages", ["comm", "order"]).columns.to_list()
    ['comm', 'order']
    """

    def __init__(self, path: Path, *, page_size: int | None = None) -> None:
        """Open the directory `path`; raise SpoTraceError if it is not a snapshot, or one of a newer spo-trace.

        `page_size`: of the machine, in bytes, in place of what the snapshot says.
        """
        self.path = path
        self.meta = _read_meta(path)
        if page_size is not None:
            told, source = self.meta["page_size"], self.meta.get("page_size_from")
            if told != page_size and source != "assumed":
                said = f"the page size {page_size} that was given is contradicted by the snapshot: {told} ({source})"
                self.meta["warnings"].append(said)
            self.meta |= {"page_size": page_size, "page_size_from": "option"}

    def __repr__(self) -> str:
        return f"Snapshot({str(self.path)!r}, kernel={self.meta['kernel_release']!r})"

    @property
    def page_size(self) -> int:
        """Return the machine's page size in bytes."""
        return int(self.meta["page_size"])

    def read(self, table: str, columns: Sequence[str] | None = None) -> "pd.DataFrame":
        """Return `columns` (default: all) of `table` (`pages`, `swap` or `stacks`) as a DataFrame."""
        from spo_trace.snapshots.dataframes import to_frame

        return to_frame(self.arrow(table, columns))

    def arrow(self, table: str, columns: Sequence[str] | None = None, *, only_stored: bool = False) -> pa.Table:
        """Return `columns` (default: all) of `table` as an Arrow table; `only_stored`: of those in the file."""
        with self._opening(table) as path, pq.ParquetFile(path) as file:
            if columns is not None and only_stored:
                columns = [name for name in columns if name in file.schema_arrow.names]
            there = self._present(file.schema_arrow, table, columns)
            # pyarrow 18 fails to read a file without row groups.
            if file.num_row_groups:
                found = file.read(columns=there)
            else:
                empty = file.schema_arrow.empty_table()
                found = empty if there is None else empty.select(there)
        return _completed(found, table, columns)

    def frames(self, table: str, columns: Sequence[str]) -> "Iterator[pd.DataFrame]":
        """Yield `columns` of `table` in DataFrames of some 260,000 rows, at least one: memory stays bounded."""
        from spo_trace.snapshots.dataframes import to_frame

        with self._opening(table) as path, pq.ParquetFile(path) as file:
            there = self._present(file.schema_arrow, table, columns)
            for number in range(file.num_row_groups):
                yield to_frame(_completed(file.read_row_group(number, columns=there), table, columns))
            # pyarrow 18 fails to read a file without row groups.
            if not file.num_row_groups:
                empty = file.schema_arrow.empty_table()
                yield to_frame(_completed(empty if there is None else empty.select(there), table, columns))

    # A snapshot of an older schema version lacks columns that came later: they are null.
    def _present(self, found: pa.Schema, table: str, columns: Sequence[str] | None) -> list[str] | None:
        lacks = set(schema.TABLES[table].names) - set(found.names)
        wanted = schema.TABLES[table].names if columns is None else columns
        if table == "pages" and "page_columns" in self.meta and (missing := sorted(lacks & set(wanted))):
            names = ", ".join(missing)
            raise SpoTraceError(f"{names} was not asked for when the capture was opened", hint="ask then")
        return None if columns is None else [name for name in columns if name not in lacks]

    def count(self, table: str) -> int:
        """Return how many rows `table` has."""
        with self._opening(table) as path:
            return int(pq.read_metadata(path).num_rows)

    def batches(self, table: str, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield all columns of `table`, at most `rows` rows at a time."""
        with self._opening(table) as path, pq.ParquetFile(path) as file:
            if file.num_row_groups:  # pyarrow 18 fails without.
                yield from file.iter_batches(rows)

    @contextmanager
    def _opening(self, table: str) -> Iterator[Path]:
        path = self.path / f"{table}.parquet"
        try:
            yield path
        except (OSError, pa.ArrowException) as error:
            said = str(error).partition("\n")[0]
            raise SpoTraceError(f"{path} can't be read: {said}", hint="is the snapshot whole? take it anew") from error

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


def _completed(arrow: pa.Table, table: str, columns: Sequence[str] | None) -> pa.Table:
    names = schema.TABLES[table].names if columns is None else columns
    if arrow.column_names == list(names):
        return arrow
    for name in set(names) - set(arrow.column_names):
        field = schema.TABLES[table].field(name)
        arrow = arrow.append_column(field, pa.nulls(arrow.num_rows, field.type))
    return arrow.select(list(names))


def _read_meta(path: Path) -> dict[str, Any]:
    try:
        meta = json.loads((path / "snapshot.json").read_bytes())
        version = meta["schema_version"]
    except OSError as error:
        raise SpoTraceError(
            f"{path} is not a snapshot: {error.strerror}", hint="make one: spo-trace snapshot"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise SpoTraceError(f"{path}/snapshot.json is damaged", hint="take the snapshot anew") from error
    if not isinstance(version, int) or not 1 <= version <= schema.SCHEMA_VERSION:
        raise SpoTraceError(
            f"{path} has schema version {version}; this spo-trace reads up to {schema.SCHEMA_VERSION}",
            hint=UPGRADE,
        )
    if not meta.keys() >= _KEYS or not all(isinstance(meta[key], kind) for key, kind in _TYPES.items()):
        raise SpoTraceError(f"{path}/snapshot.json is damaged", hint="take the snapshot anew")
    assert isinstance(meta, dict)
    return meta


_TYPES = {
    "files": dict, "meminfo": dict, "meminfo_after": dict, "page_size": int, "swap_owner": dict, "swaps": list,
    "warnings": list, "zoneinfo": list,
}  # fmt: skip

# What the analysis asks of every snapshot.
_KEYS = {
    "boot_id",
    "files",
    "kernel_release",
    "kernel_version",
    "meminfo",
    "meminfo_after",
    "page_size",
    "swap_owner",
    "swaps",
    "uptime_start",
    "warnings",
    "zoneinfo",
}
