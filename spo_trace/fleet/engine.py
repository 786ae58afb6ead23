# SPDX-License-Identifier: LGPL-2.1-or-later
"""The engines that run the SQL of a fleet: DuckDB in this process, or Spark."""

from collections.abc import Mapping
from typing import Protocol, TypeAlias

import pyarrow as pa
import pyarrow.dataset as ds

from spo_trace.errors import Argument, UsageError
from spo_trace.fleet.reading import CubeRows

__all__ = ["ENGINES", "Engine", "Input", "check_engine", "engine_of"]

Input: TypeAlias = "pa.Table | ds.Dataset | CubeRows"

ENGINES = ("duckdb", "spark")


class Engine(Protocol):
    """Run SQL on tables. The statements of spo_trace/fleet/sql are the same for all engines."""

    def quoted(self, name: str) -> str:
        """Return a column's name as it is written in SQL if SQL reserves it."""

    def query(self, sql: str, tables: Mapping[str, Input]) -> pa.Table:
        """Return the result of a statement on these tables; raise SpoTraceError if it fails."""

    def close(self) -> None:
        """Free what the engine holds."""


def check_engine(name: str, master: str | None) -> None:
    """Raise UsageError if there is no such engine, and for a `master`, the URL of a cluster, of another than Spark."""
    if name not in ENGINES:
        hint = ("choose ", Argument("engine", ENGINES[0]), " or ", Argument("engine", ENGINES[1]))
        raise UsageError(f"there is no engine {name[:60]!r}", hint=hint)
    if master is not None and name != "spark":
        raise UsageError((Argument("master"), " is where Spark runs"), hint=("add ", Argument("engine", "spark")))


def engine_of(name: str, master: str | None = None) -> Engine:
    """Return the engine with this name, which `check_engine` accepts; raise SpoTraceError if it is not installed."""
    if name == "spark":
        from spo_trace.fleet.spark_engine import Spark

        return Spark(master)
    from spo_trace.fleet.duckdb_engine import DuckDB

    return DuckDB()
