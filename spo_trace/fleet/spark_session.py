# SPDX-License-Identifier: LGPL-2.1-or-later
"""Start Spark, or use the session of the process; say what is missing if that is impossible."""

import os
import re
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

from spo_trace.errors import Argument, SpoTraceError
from spo_trace.files.closeable import Closeable
from spo_trace.version import INSTALL_SPARK

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["MASTER", "Session", "open_session"]

# The variable with the URL of the cluster.
MASTER = "SPO_TRACE_SPARK_MASTER"

_LOCAL = "local[*]"
_INSTALL_JAVA = (
    "install Java 17 or newer, for example: apt-get install default-jre-headless; or use ",
    Argument("engine", "duckdb"),
)

_OWN = {
    "spark.app.name": "spo-trace fleet",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
}

# Nobody else connects to a Spark of this process alone. Few rows need few partitions.
_OWN_LOCAL = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "8",
}

# The last lines of Java's log tell most.
_LOG_BYTES = 4096
_CAUSE = re.compile(r"(?:Error|Exception|Caused by)\b.*: .+")


class Session(Closeable):
    """Hold a session of Spark, and whether it was started here."""

    def __init__(self, spark: "SparkSession", *, is_own: bool) -> None:
        self.spark = spark
        self._is_own = is_own

    def close(self) -> None:
        """Stop Spark, if it was started here."""
        if self._is_own:
            self.spark.stop()


def open_session(master: str | None) -> Session:
    """Start Spark on `master`, by default on $SPO_TRACE_SPARK_MASTER or this machine.

    If the process has a session, as in a notebook of a cluster, it is used. Raise SpoTraceError if PySpark or Java is
    missing, or Spark does not start.
    """
    session_class = _installed()
    active = session_class.getActiveSession()
    if active is not None and master is None:
        # Names of tables are those of a session.
        return Session(active.newSession(), is_own=False)
    _check_java()
    url = master or os.environ.get(MASTER) or _LOCAL
    settings = {**_OWN, **(_OWN_LOCAL if url.startswith("local") else {}), "spark.master": url}
    with _log_of_java() as log, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return Session(session_class.builder.config(map=settings).getOrCreate(), is_own=True)
        # Py4J raises errors of many kinds for a Java that exits.
        except Exception as error:
            hint = f"Spark 4 needs Java 17 or newer (java -version), and a master that answers: {url}"
            raise SpoTraceError(f"Spark did not start: {_cause(log, error)}", hint=hint) from error


def _installed() -> "type[SparkSession]":
    try:
        import pyspark
        from pyspark.sql import DataFrame, SparkSession
    except ImportError as error:
        raise SpoTraceError("the engine spark needs PySpark, which is not installed", hint=INSTALL_SPARK) from error
    if not hasattr(DataFrame, "toArrow"):
        raise SpoTraceError(f"PySpark {pyspark.__version__} is too old: 4.0 is needed", hint=INSTALL_SPARK)
    found: type[SparkSession] = SparkSession
    return found


def _check_java() -> None:
    home = os.environ.get("JAVA_HOME")
    if home and not (Path(home) / "bin" / "java").exists():
        raise SpoTraceError(f"there is no Java in JAVA_HOME ({home})", hint=_INSTALL_JAVA)
    if not home and shutil.which("java") is None:
        raise SpoTraceError("the engine spark needs Java, which is not installed", hint=_INSTALL_JAVA)


# Java writes warnings to stderr until it exits. It takes over the file, which is removed with it.
@contextmanager
def _log_of_java() -> Iterator[IO[bytes]]:
    with TemporaryFile() as log:
        kept = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            yield log
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _cause(log: IO[bytes], error: Exception) -> str:
    log.seek(max(log.seek(0, os.SEEK_END) - _LOG_BYTES, 0))
    lines = log.read().decode("utf-8", "replace").splitlines()
    found = [line.strip() for line in lines if _CAUSE.search(line)] or [line.strip() for line in lines if line.strip()]
    return found[-1] if found else str(error).strip().partition("\n")[0]
