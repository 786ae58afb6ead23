# SPDX-License-Identifier: LGPL-2.1-or-later
"""Open one Parquet file of a snapshot: its footer is compared with schema.py, its rows are checked as they are read."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from spo_trace import schema
from spo_trace.files.closeable import Closeable
from spo_trace.limits import MAX_LISTED_SHARE, MAX_STACK_ROWS
from spo_trace.snapshots.damage import Damage
from spo_trace.snapshots.meta import Meta
from spo_trace.snapshots.parquet_input import checked_footer, open_parquet, opened_again, validated
from spo_trace.snapshots.table_types import converted, equivalent, text_paths

if TYPE_CHECKING:
    from spo_trace.snapshots.table_checks import RowChecks

__all__ = ["Expected", "TableFile", "expected_rows", "most_memory", "optional_columns"]


class Expected(NamedTuple):
    """Hold what the rest of the snapshot says about a table.

    `rows`: their number, None if unknown. `stacks`: rows of stacks. `optional`: columns that may be absent. `memory`:
    the most bytes that the rows can add up to, None if unknown.
    """

    rows: int | None
    stacks: int
    page_size: int
    optional: frozenset[str]
    memory: int | None = None


# The kernel files whose records become the rows of a table.
_FILES = {
    "pages": ("page_owner",),
    "swap": ("swap_page_owner", "bpf"),
    **{table: (file,) for table, file in schema.OF_FILE.items()},
}


def expected_rows(meta: Meta, table: str) -> int | None:
    """Return the number of rows of `table` according to snapshot.json, None if it does not say."""
    if table == "aggregates":
        return meta.files[meta.aggregate.value].records if meta.aggregate and meta.aggregate.value in meta.files else 0
    if table not in _FILES:
        return None
    # Without an origin, the owners of swap are unknown: rows would be left out of the total.
    if table == "swap" and meta.swap_owner.origin is None:
        return 0
    return sum(meta.files[name].records for name in _FILES[table] if name in meta.files)


def most_memory(meta: Meta, table: str) -> int | None:
    """Return the bytes that the rows of `table` can add up to according to the machine's zones, None if unknown."""
    machine = meta.machine
    if table != "pages" or not machine.zoneinfo:
        return None
    present = sum(zone["present"] for zone in machine.zoneinfo) * machine.page_size
    # The text of zoneinfo may be cut off.
    return MAX_LISTED_SHARE * max(present, machine.meminfo.get("MemTotal", 0))


def optional_columns(meta: Meta, table: str) -> frozenset[str]:
    """Return the columns that `table` may lack: those that an older version had not, and those left out."""
    if table == "pages" and meta.page_columns is not None:
        return frozenset(schema.ALL_TABLES[table].names) - set(meta.page_columns)
    older = meta.schema_version < schema.SCHEMA_VERSION
    return frozenset(field.name for field in schema.ALL_TABLES[table] if older and field.nullable)


class TableFile(Closeable):
    """Read the file `path` of a table; raise Damage, OSError or an error of pyarrow if it is not as expected.

    Each instance is for one pass over the rows.
    """

    def __init__(self, path: Path, table: str, expected: Expected) -> None:
        self._table = table
        self._schema = schema.ALL_TABLES[table]
        self._expected = expected
        self._file = open_parquet(path)
        try:
            self._parquet = self._opened()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._parquet.close()
        self._file.close()

    @property
    def columns(self) -> list[str]:
        """Return the names of the file's columns."""
        names: list[str] = self._parquet.schema_arrow.names
        return names

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return int(self._parquet.metadata.num_rows)

    def groups(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield `columns`, each of which must exist, of each row group; without rows, of one empty table."""
        # Not imported above, so that `snapshot`, which reads no rows, starts faster: pyarrow.compute takes 60 ms.
        from spo_trace.snapshots.table_checks import RowChecks

        checks = RowChecks(self._table, self._expected.stacks, self._expected.page_size, self._expected.memory)
        needed = checks.needed(columns)
        for number in range(self._parquet.num_row_groups):
            found = self._parquet.read_row_group(number, columns=needed)
            if found.num_rows != self._parquet.metadata.row_group(number).num_rows:
                raise Damage(f"row group {number + 1} has {found.num_rows:,} rows, not as many as its footer says")
            yield self._checked(found, needed, checks).select(list(columns))
        # pyarrow 18 fails to read a file without row groups.
        if not self._parquet.num_row_groups:
            empty = self._parquet.schema_arrow.empty_table().select(needed)
            yield self._checked(empty, needed, checks).select(list(columns))

    def _opened(self) -> pq.ParquetFile:
        footer = checked_footer(self._file)
        if self._expected.rows not in (None, footer.metadata.num_rows):
            raise Damage(f"it has {footer.metadata.num_rows:,} rows; snapshot.json says {self._expected.rows:,}")
        if self._table == "stacks" and footer.metadata.num_rows > MAX_STACK_ROWS:
            raise Damage(f"it has {footer.metadata.num_rows:,} rows; at most {MAX_STACK_ROWS:,} are possible")
        self._check_columns(footer.schema_arrow)
        return opened_again(self._file, footer.metadata, text_paths(footer.metadata))

    def _check_columns(self, found: pa.Schema) -> None:
        for field in self._schema:
            if field.name not in found.names:
                if field.name in self._expected.optional:
                    continue
                raise Damage(f"there is no column {field.name}")
            has = found.field(field.name).type
            if not equivalent(has, field.type):
                raise Damage(f"column {field.name} is of type {has}, not {field.type}")

    def _checked(self, found: pa.Table, names: Sequence[str], checks: "RowChecks") -> pa.Table:
        found = validated(found.select(list(names)))
        for place, name in enumerate(names):
            if name in self._schema.names:
                field = self._schema.field(name)
                found = found.set_column(place, field, self._converted(found[name], name, field.type))
        checks.check(found)
        return found

    def _converted(self, column: pa.ChunkedArray, name: str, wanted: pa.DataType) -> pa.ChunkedArray:
        try:
            return converted(column, wanted)
        except pa.ArrowInvalid as error:
            raise Damage(f"column {name}: {error}") from error
