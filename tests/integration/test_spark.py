# SPDX-License-Identifier: LGPL-2.1-or-later
"""Spark answers as DuckDB does, on the same fleet (`make test-spark`; needs Java)."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

import spo_trace as spo
from spo_trace.errors import SpoTraceError
from spo_trace.fleet.fleet import Fleet
from spo_trace.fleet.tables import write_rows
from tests.bench.fleet_machines import DAYS, KERNELS, PAGE_SIZE, Machines
from tests.support import CARRIED, in_process, spo_trace
from tests.unit.fleet.machines import machine
from tests.unit.fleet.stores import give_credentials, moto_s3

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java: apt-get install default-jre-headless"),
]
pytest.importorskip("pyspark", reason="PySpark is not installed: make test-spark installs it")

MACHINES = Machines(hosts=12, rows=300, stacks=20)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a fleet with closed days that are merged, and with a day that is not; its path has what patterns have."""
    directory = tmp_path_factory.mktemp("spark")
    root = directory / "a [1]{b,c}*?\\ %20 é"
    fleet = spo.fleet.open(root, create=True)
    for host, _, path in MACHINES.each(directory):
        fleet.add(spo.open(path), labels={"role": MACHINES.role(host)})
    fleet.compact()
    for number, (pages, swapped, page_kib) in enumerate(((10, 2, 4), (20, None, 4), (30, 6, 64))):
        snap = machine(directory, f"new{number}", pages=pages, swapped=swapped, page_kib=page_kib)
        fleet.add(snap, labels={"role": "it's `new`"} if number else {})
    fleet.add(spo.open(CARRIED / "7.2-spo" / "2-swapped"), host="real")
    return root


@pytest.fixture(scope="module")
def engines(root: Path) -> Iterator[tuple[Fleet, Fleet]]:
    """Return the fleet with both engines. Java starts once."""
    spark = spo.fleet.open(root, "spark")
    yield spark, spo.fleet.open(root)
    spark._engine.close()


ASK: dict[str, Callable[[Fleet], pd.DataFrame]] = {
    "by caller": lambda fleet: fleet.report("caller"),
    "by stack": lambda fleet: fleet.report("stack"),
    "by reserved names": lambda fleet: fleet.report(["order", "zone", "comm"]),
    "by cgroup": lambda fleet: fleet.report(["memcg", "slab"]),
    "by hosts": lambda fleet: fleet.report(["host", "label.role", "kernel"]),
    "where": lambda fleet: fleet.report("comm", where="category == 'slab' or memcg == 'slice3' or memcg.isna()"),
    "where nothing": lambda fleet: fleet.report("comm", where="comm == 'nobody'"),
    "window": lambda fleet: fleet.report("caller", at=DAYS[1], window="2d"),
    "only": lambda fleet: fleet.report("module", only=["host=new*"]),
    "diff": lambda fleet: fleet.diff([f"kernel={KERNELS[0]}"], [f"kernel={KERNELS[1]}"], "caller"),
    "paired": lambda fleet: fleet.diff([f"time={DAYS[0]}"], ["time=latest"], "memcg", paired=True),
    "common stacks": lambda fleet: fleet.diff([f"kernel={KERNELS[0]}"], [f"kernel={KERNELS[1]}"], "stack"),
    "outliers": lambda fleet: fleet.outliers("caller", within="label.role"),
    "rare": lambda fleet: fleet.outliers("comm", fold="[0-9]+"),
}


# Its rows go through this process, because Spark's own client of S3 has other settings.
def test_a_fleet_in_an_object_store_has_the_same_answers(
    engines: tuple[Fleet, Fleet], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_credentials(monkeypatch)
    with moto_s3() as s3:
        url = s3.url(s3.bucket())
        fleet = spo.fleet.open(url, create=True)
        for number, pages in enumerate((10, 20)):
            fleet.add(machine(tmp_path, f"host{number}", pages=pages, swapped=5))
        found, expected = (spo.fleet.open(url, engine).report(["host", "comm"]) for engine in ("spark", "duckdb"))
        assert_frame_equal(pd.DataFrame(found), pd.DataFrame(expected))
        assert expected["mem_bytes"].head(2).to_list() == [20 * 4096, 10 * 4096]


@pytest.mark.parametrize("question", ASK)
def test_spark_answers_as_duckdb(engines: tuple[Fleet, Fleet], question: str) -> None:
    spark, duckdb = (ASK[question](fleet) for fleet in engines)
    assert_frame_equal(pd.DataFrame(spark), pd.DataFrame(duckdb))
    assert len(duckdb) or question in ("where nothing", "rare")


def test_the_amounts_are_the_truth(engines: tuple[Fleet, Fleet]) -> None:
    found = engines[0].report("caller", at=DAYS[1]).set_index("caller")
    expected = MACHINES.pages[:, 1].sum(axis=0) * PAGE_SIZE
    for caller, size in zip(MACHINES.callers, expected, strict=True):
        if size:
            assert found.loc[caller, "mem_bytes"] == size


# The same text, in the dialect that both have.
def test_statements_of_users(engines: tuple[Fleet, Fleet]) -> None:
    text = (
        "SELECT s.host, sum(c.mem_pages * s.page_size) AS bytes, count(*) AS number FROM cube c "
        "JOIN snapshots s ON c.snapshot = s.id JOIN stacks t ON t.id = c.stack WHERE c.mem_pages > "
        "(SELECT min(mem_pages) FROM cube) GROUP BY s.host ORDER BY s.host"
    )
    spark, duckdb = (fleet.sql(text).astype({"bytes": "int64"}) for fleet in engines)
    assert_frame_equal(pd.DataFrame(spark), pd.DataFrame(duckdb))
    assert len(spark) == MACHINES.hosts + 4
    with pytest.raises(SpoTraceError, match=r"Spark: .*nowhere"):
        engines[0].sql("SELECT nothing FROM nowhere")


# The statement that reads the files without spo-trace.
def test_the_statement_of_the_document(engines: tuple[Fleet, Fleet], tmp_path: Path) -> None:
    root = small_fleet(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "fleet.md").read_text()
    (text,) = (text for text in re.findall("```sql\n(.*?)```", page, re.DOTALL) if "parquet.`" in text)
    text = text.replace("`fleet/", f"`{root}/").rstrip().rstrip(";")
    found = engines[0].sql(text)
    expected = spo.fleet.open(root).report("comm")
    assert dict(zip(found["comm"], found["mem_bytes"], strict=True)) == dict(
        zip(expected["comm"], expected["mem_bytes"], strict=True)
    )
    assert len(found) == 3


# Two files have the snapshots while `compact` is at work, and the catalog is of before.
def test_while_compact_is_at_work(engines: tuple[Fleet, Fleet], tmp_path: Path) -> None:
    root = small_fleet(tmp_path)
    before = spo.fleet.open(root).report("comm")
    spark = spo.fleet.open(root, "spark")
    assert spark.catalog.rows.num_rows == 2
    kept = shutil.copytree(root / "cube", tmp_path / "kept")
    spo.fleet.open(root).compact()
    assert_frame_equal(pd.DataFrame(spark.report("comm")), pd.DataFrame(before))
    for path in kept.iterdir():
        shutil.copy(path, root / "cube")
    both = spo.fleet.open(root, "spark")
    assert_frame_equal(pd.DataFrame(both.report("comm")), pd.DataFrame(before))


def small_fleet(directory: Path) -> Path:
    """Return a fleet of two hosts."""
    fleet = spo.fleet.open(directory / "f", create=True)
    for number in range(2):
        fleet.add(machine(directory, f"web{number}", pages=number + 1), time="2026-01-01")
    return directory / "f"


def test_damaged_files(engines: tuple[Fleet, Fleet], tmp_path: Path) -> None:
    root = small_fleet(tmp_path)
    path = min((root / "cube").iterdir())
    whole = path.read_bytes()
    # In the first page, whose checksum no longer fits.
    path.write_bytes(whole[:40] + bytes([whole[40] ^ 1]) + whole[41:])
    with pytest.raises(SpoTraceError, match=rf"Spark: \[FAILED_READ_FILE.*{path.name}"):
        spo.fleet.open(root, "spark").report("comm")
    rows = pq.read_table(pa.BufferReader(whole))
    write(path, "cube", rows, "mem_pages", -1)
    entry = root / "snapshots" / path.name
    write(entry, "snapshots", pq.read_table(entry), "cube_bytes", path.stat().st_size)
    with pytest.raises(SpoTraceError, match="mem_pages has a number of pages that no machine has"):
        spo.fleet.open(root, "spark").report("comm")


def write(path: Path, table: str, rows: pa.Table, column: str, value: int) -> None:
    """Write a file of `table` in which `column` has `value` in each row."""
    place = rows.column_names.index(column)
    changed = rows.set_column(place, column, pa.repeat(value, rows.num_rows))
    with path.open("wb") as file:
        write_rows(table, changed, file)


def test_the_command_line(root: Path) -> None:
    words = ("fleet", "report", root.name, "--by", "comm,order", "-f", "csv")
    duckdb = spo_trace(*words, cwd=root.parent)
    # Java starts anew, which takes more than a minute on a busy machine.
    command = [str(Path(sys.executable).with_name("spo-trace")), *words, "--engine", "spark"]
    spark = subprocess.run(command, cwd=root.parent, capture_output=True, timeout=300, check=False)
    assert spark.returncode == 0, spark.stderr
    # Also the messages are the same: there is none of Java.
    assert (spark.stdout, spark.stderr) == (duckdb.stdout, duckdb.stderr)
    assert not {path.name for path in root.parent.iterdir()} & {"spark-warehouse", "metastore_db", "artifacts"}


def test_a_master_that_is_none(root: Path) -> None:
    words = ("fleet", "report", root.name, "--engine", "spark", "--master", "nonsense://host")
    run = spo_trace(*words, cwd=root.parent)
    assert run.returncode == 1
    assert run.stderr.count(b"\n") == 2 and b"Traceback" not in run.stderr
    assert b"nonsense://host" in run.stderr
    run = in_process("fleet", "report", root.name, "--master", "local", cwd=root.parent)
    assert run.returncode == 2 and b"add --engine spark" in run.stderr
