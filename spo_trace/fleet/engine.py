# SPDX-License-Identifier: LGPL-2.1-or-later
"""The engine that runs the SQL of a fleet: DuckDB, in this process."""

from collections.abc import Mapping
from typing import Protocol, TypeAlias

import pyarrow as pa
import pyarrow.dataset as ds

from spo_trace.errors import Argument, SpoTraceError, UsageError
from spo_trace.files.closeable import Closeable
from spo_trace.version import INSTALL_FLEET

__all__ = ["ENGINES", "DuckDB", "Engine", "Input", "engine_of"]

# A table, a dataset, or a reader that yields its rows once.
Input: TypeAlias = "pa.Table | pa.RecordBatchReader | ds.Dataset"


class Engine(Protocol):
    """Run SQL on Arrow tables. The statements of spo_trace/fleet/sql are the same for all engines."""

    def quoted(self, name: str) -> str:
        """Return a column's name as it is written in SQL if SQL reserves it."""

    def query(self, sql: str, tables: Mapping[str, Input]) -> pa.Table:
        """Return the result of a statement on these tables; raise SpoTraceError if it fails."""

    def close(self) -> None:
        """Free what the engine holds."""


class DuckDB(Closeable):
    """Run SQL in this process; the DuckDB package is an extra of spo-trace."""

    def __init__(self) -> None:
        """Raise SpoTraceError if DuckDB is not installed."""
        try:
            import duckdb
        except ImportError as error:
            raise SpoTraceError("fleet needs DuckDB, which is not installed", hint=INSTALL_FLEET) from error
        # A closed network has no extensions to fetch, and no variable of Python is a table. DuckDB does not know how
        # many rows a reader has: it would take the cube for the smaller side of a join, and keep all of it in memory.
        # The statements name the larger side first. One thread keeps one table of groups.
        settings: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": False,
            "python_enable_replacements": False,
            "disabled_optimizers": "join_order,build_side_probe_side",
            "threads": 1,
        }
        self._duckdb = duckdb
        self._connection = duckdb.connect(":memory:", config=settings)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def quoted(self, name: str) -> str:
        """Return a name in double quotes."""
        return f'"{name}"'

    def query(self, sql: str, tables: Mapping[str, Input]) -> pa.Table:
        """Return the result of one statement."""
        for name, table in tables.items():
            self._connection.register(name, table)
        try:
            found = self._connection.sql(sql)
            return pa.table({}) if found is None else found.to_arrow_table()
        except self._duckdb.Error as error:
            first = str(error).partition("\n")[0]
            raise SpoTraceError(f"DuckDB: {first}", hint="see docs/fleet.md for the columns of the tables") from error
        finally:
            for name in tables:
                self._connection.unregister(name)


ENGINES = {"duckdb": DuckDB}


def engine_of(name: str) -> Engine:
    """Return the engine with this name; raise UsageError for another, SpoTraceError if it is not installed."""
    if name not in ENGINES:
        raise UsageError(
            f"there is no engine {name!r}", hint=("choose ", *(Argument("engine", one) for one in ENGINES))
        )
    return ENGINES[name]()
