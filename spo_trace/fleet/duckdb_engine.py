# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run the SQL of a fleet with DuckDB, in this process."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.dataset as ds

from spo_trace.errors import SpoTraceError
from spo_trace.files.closeable import Closeable
from spo_trace.fleet.engine import Input
from spo_trace.fleet.reading import CubeRows
from spo_trace.version import INSTALL_FLEET

__all__ = ["DuckDB"]


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
            self._connection.register(name, _for_duckdb(table))
        try:
            found = self._connection.sql(sql)
            return pa.table({}) if found is None else found.to_arrow_table()
        except self._duckdb.Error as error:
            first = str(error).partition("\n")[0]
            raise SpoTraceError(f"DuckDB: {first}", hint="see docs/fleet.md for the columns of the tables") from error
        finally:
            for name in tables:
                self._connection.unregister(name)


def _for_duckdb(table: Input) -> "pa.Table | pa.RecordBatchReader | ds.Dataset":
    if not isinstance(table, CubeRows):
        return table
    return table.dataset() if table.is_whole else table.reader()
