# SPDX-License-Identifier: LGPL-2.1-or-later
"""The engines of a fleet."""

import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

import spo_trace as spo
from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.fleet.duckdb_engine import DuckDB
from spo_trace.fleet.engine import engine_of


def test_wrong_engines(tmp_path: Path) -> None:
    spo.fleet.open(tmp_path / "f", create=True)
    with pytest.raises(UsageError, match="there is no engine 'sqlite'"):
        spo.fleet.open(tmp_path / "f", "sqlite")
    with pytest.raises(UsageError, match="master is where Spark runs") as raised:
        spo.fleet.open(tmp_path / "f", master="spark://host:7077")
    assert raised.value.hint == "add engine='spark'"


def test_spark_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    # As of a package that is not installed.
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(SpoTraceError, match="needs PySpark, which is not installed") as raised:
        engine_of("spark")
    assert raised.value.hint is not None and "pip install '.[spark]'" in raised.value.hint


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return a PySpark that starts no Java."""
    pyspark, sql = ModuleType("pyspark"), ModuleType("pyspark.sql")
    made = SimpleNamespace(getActiveSession=lambda: None)
    vars(pyspark).update(__version__="4.0.0", sql=sql)
    vars(sql).update(SparkSession=made, DataFrame=SimpleNamespace(toArrow=None))
    monkeypatch.setitem(sys.modules, "pyspark", pyspark)
    monkeypatch.setitem(sys.modules, "pyspark.sql", sql)
    return sql


@pytest.mark.parametrize("home", [None, "/nowhere"])
def test_spark_without_java(monkeypatch: pytest.MonkeyPatch, package: ModuleType, home: str | None) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    if home:
        monkeypatch.setenv("JAVA_HOME", home)
    with pytest.raises(SpoTraceError, match="JAVA_HOME" if home else "needs Java, which is not installed") as raised:
        engine_of("spark")
    assert raised.value.hint is not None and "default-jre-headless; or use engine='duckdb'" in raised.value.hint


def test_an_old_spark(package: ModuleType) -> None:
    vars(package)["DataFrame"] = object
    with pytest.raises(SpoTraceError, match=r"PySpark 4\.0\.0 is too old"):
        engine_of("spark")


def test_what_java_says_when_it_does_not_start(
    monkeypatch: pytest.MonkeyPatch, package: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").touch()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))

    class Builder:
        def config(self, map: dict[str, str]) -> "Builder":
            assert map["spark.master"] == "spark://nowhere:7077"
            return self

        def getOrCreate(self) -> None:
            os.write(2, b"Error: A JNI error\nCaused by: java.lang.UnsupportedClassVersionError: version 61.0\nbye\n")
            raise RuntimeError("the gateway exited")

    vars(package)["SparkSession"].builder = Builder()
    monkeypatch.setenv("SPO_TRACE_SPARK_MASTER", "spark://nowhere:7077")
    with pytest.raises(SpoTraceError, match=r"did not start: Caused by: .*UnsupportedClassVersionError: version 61"):
        engine_of("spark")


# DuckDB does not know that the reader has more rows than the table.
def test_the_rows_of_a_reader_pass() -> None:
    batch = pa.record_batch({"id": np.arange(100_000) % 1000, "more": np.arange(100_000)})
    reader = pa.RecordBatchReader.from_batches(batch.schema, (batch for _ in range(40)))
    groups = pa.table({"id": np.arange(1000), "name": np.arange(1000) % 7})
    engine = DuckDB()
    # The rows of the reader have 64 MB.
    engine.query("SET memory_limit = '30MB'", {})
    engine.query("SET temp_directory = ''", {})
    sql = "SELECT count(*) AS number FROM cube LEFT JOIN stacks ON cube.id = stacks.id WHERE name = 3 OR more >= 0"
    assert engine.query(sql, {"cube": reader, "stacks": groups})["number"].to_pylist() == [4_000_000]
    engine.close()
