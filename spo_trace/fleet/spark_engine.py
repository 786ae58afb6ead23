# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run the SQL of a fleet with Spark, which reads the files of the cube itself: on this machine or on a cluster."""

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from spo_trace.errors import Argument, SpoTraceError
from spo_trace.files.closeable import Closeable
from spo_trace.fleet.engine import Input
from spo_trace.fleet.local_root import LocalRoot
from spo_trace.fleet.reading import AMOUNTS, NO_AMOUNT, CubeRows, Vanished
from spo_trace.fleet.spark_session import Session, open_session
from spo_trace.fleet.tables import CUBE
from spo_trace.limits import MAX_MEMORY_BYTES

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

__all__ = ["Spark"]

_TYPES = {pa.string(): "string", pa.bool_(): "boolean", pa.int16(): "smallint", pa.int64(): "bigint"}

# Conditions of Spark's errors for a file that was removed.
_GONE = ("PATH_NOT_FOUND", "FAILED_READ_FILE.FILE_NOT_EXIST")

_CONDITION = re.compile(r"(\[[A-Z0-9_]+(?:\.[A-Z0-9_]+)?\] .*)")
_CAUSE = re.compile(r"^Caused by: (.*)", re.MULTILINE)

_HINT = ("see docs/fleet.md for the columns of the tables, or try ", Argument("engine", "duckdb"))


class Spark(Closeable):
    """Run SQL in a session of Spark; the PySpark package is an extra of spo-trace."""

    def __init__(self, master: str | None = None) -> None:
        """Start Spark on `master`; raise SpoTraceError if it is not installed, or does not start."""
        self._session: Session = open_session(master)

    def close(self) -> None:
        """Stop Spark, if it was started here."""
        self._session.close()

    def quoted(self, name: str) -> str:
        """Return a name in backticks."""
        return f"`{name}`"

    def query(self, sql: str, tables: Mapping[str, Input]) -> pa.Table:
        """Return the result of one statement."""
        spark = self._session.spark
        with _errors(), warnings.catch_warnings():
            # On releases of pandas; tables do not go through pandas.
            warnings.simplefilter("ignore")
            for name, table in tables.items():
                self._frame(table).createOrReplaceTempView(name)
            found: pa.Table = spark.sql(sql).toArrow()
        return found

    # Spark's own clients of object stores need other settings than ours: those rows go through this process.
    def _frame(self, table: Input) -> "DataFrame":
        if not isinstance(table, CubeRows):
            return self._session.spark.createDataFrame(table)
        if isinstance(table.root, LocalRoot):
            return self._of_files(table)
        rows = table.reader().read_all()
        return self._session.spark.createDataFrame(
            rows.cast(pa.schema([CUBE.field(name) for name in rows.column_names]))
        )

    # As DuckDB's reader: a file counts only for the snapshots whose rows of the catalog name it.
    def _of_files(self, rows: CubeRows) -> "DataFrame":
        from pyspark.sql.functions import broadcast, col

        rows.check()
        columns = ", ".join(f"`{field.name}` {_TYPES[field.type]}" for field in CUBE)
        spark = self._session.spark
        paths = [_literal(rows.root.shown("cube", name)) for name in rows.files]
        files = spark.read.schema(columns).option("parquet.page.verify-checksum.enabled", "true").parquet(*paths)
        names = pa.table({"snapshot": rows.chosen["id"], "cube_file": rows.chosen["cube_file"]})
        named = spark.createDataFrame(names.cast(pa.schema([(name, pa.string()) for name in names.column_names])))
        wanted = [_checked(name) if name in AMOUNTS else col(name) for name in rows.columns]
        found = files.select(*wanted, col("_metadata.file_name").alias("cube_file"))
        return found.join(broadcast(named), ["snapshot", "cube_file"], "left_semi").drop("cube_file")


def _checked(name: str) -> "Column":
    from pyspark.sql.functions import col, lit, raise_error, when

    pages = col(name)
    wrong = raise_error(lit(f"column {name} {NO_AMOUNT}"))
    return when((pages < 0) | (pages > MAX_MEMORY_BYTES), wrong).otherwise(pages).alias(name)


# Spark takes a path as a pattern.
def _literal(path: str) -> str:
    return "file://" + re.sub(r"([\\*?\[\]{}])", r"\\\1", str(Path(path).absolute()))


@contextmanager
def _errors() -> Iterator[None]:
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError) as error:
        text = str(error)
        if any(condition in text for condition in _GONE):
            raise Vanished("a file of the cube was removed meanwhile", hint="ask again") from error
        raise SpoTraceError(f"Spark: {_message(text)}", hint=_HINT) from error


# Py4J puts Spark's message into a trace of Java. It begins with its condition, unless a library raised the error.
def _message(text: str) -> str:
    found = _CONDITION.findall(text) or _CAUSE.findall(text)
    return str(found[-1]) if found else text.strip().partition("\n")[0]
