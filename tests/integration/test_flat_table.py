# SPDX-License-Identifier: LGPL-2.1-or-later
"""The flat table of `export` as other tools read it with their defaults."""

import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

import spo_trace as spo
from spo_trace.analysis.records import record_tables
from spo_trace.snapshots.reader import Snapshot
from tests.support import CARRIED, FS, MACHINE, entry, page, snapshot_of

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "flat-table.md"

# float64 rounds both to one value.
LATE = (1 << 53) + 1
SECOND_DEVICE = 1 << 58

NAMES = [b"", b"null", b"NA", b"nan", b"007", b"7", b"1e3", b"1000", b"true", b"True", b"a,b", b'"', b'""', b"'"]
NAMES += [b"a\nb", b"2026-11-28", b"-", b"a;b", b" dd", b"dd", b"#N/A", b"0x10", b"16"]


def hostile_records() -> dict[str, bytes]:
    """Return a capture whose names look like other types, with numbers that float64 would round."""
    pages = b"".join(page(number, comm=name, ts=LATE + number) for number, name in enumerate(NAMES))
    # As printed by Linux 5.18 to 6.6: with the time of the last free, and flags of zone 2 on a machine without NUMA.
    for number in range(6):
        pages += (
            page(0x100 + number, comm=b"dd", ts=LATE + number, stack=FS, tail=b"Charged to memcg %d\n" % number)
            .replace(b" ns\n", b" ns, free_ts %d ns\n" % (LATE + number))
            .replace(b"Flags 0x8", b"Flags 0x%x" % ((1 << 62) + number))
        )
    pages += page(0x200).replace(b"0xcc0(GFP_KERNEL)", b"0x0()")
    swap = b"".join(entry(SECOND_DEVICE + number, name, ts=LATE + number) for number, name in enumerate(NAMES))
    return {**MACHINE, "page_owner": pages, "swap_page_owner": swap}


@pytest.fixture(scope="module", params=["hostile", "7.2-spo-varied"])
def snap(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    directory = tmp_path_factory.mktemp(request.param)
    if request.param == "hostile":
        return snapshot_of(directory, hostile_records())
    return spo.snapshot(from_=CARRIED / request.param / "2-swapped", output=directory / "now.spo")


@pytest.fixture(scope="module")
def flat(snap: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the flat table in each format."""
    directory = tmp_path_factory.mktemp("flat")
    for format in ("csv", "json", "parquet"):
        with (directory / f"flat.{format}").open("w") as file:
            spo.export(snap, format, file)
    return directory


def pandas_counts(path: Path) -> dict[str, int]:
    read: dict[str, Callable[[Path], pd.DataFrame]] = {
        ".csv": pd.read_csv,
        ".json": pd.read_json,
        ".parquet": pd.read_parquet,
    }
    with warnings.catch_warnings():
        # It reads a CSV in parts; in some, a column of text has only missing values.
        warnings.simplefilter("ignore", pd.errors.DtypeWarning)
        return {str(name): int(count) for name, count in read[path.suffix](path).nunique().items()}


def duckdb_counts(path: Path) -> dict[str, int]:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed: pip install duckdb")
    names = [row[0] for row in duckdb.sql(f"DESCRIBE SELECT * FROM '{path}'").fetchall()]
    counts = ", ".join(f'count(DISTINCT "{name}")' for name in names)
    return dict(zip(names, duckdb.sql(f"SELECT {counts} FROM '{path}'").fetchall()[0], strict=True))


def polars_counts(path: Path) -> dict[str, int]:
    polars = pytest.importorskip("polars", reason="polars is not installed: pip install polars")
    if path.suffix == ".json":
        # By default it infers types from 100 rows, and fails on text in a column that is empty in these.
        table = polars.read_json(path, infer_schema_length=None)
    else:
        table = polars.read_csv(path) if path.suffix == ".csv" else polars.read_parquet(path)
    return {name: table[name].drop_nulls().n_unique() for name in table.columns}


ENGINES: dict[str, Callable[[Path], dict[str, int]]] = {
    "pandas": pandas_counts,
    "duckdb": duckdb_counts,
    "polars": polars_counts,
}


@pytest.mark.parametrize("format", ["csv", "json", "parquet"])
@pytest.mark.parametrize("engine", ENGINES)
def test_every_column_has_as_many_values_as_the_snapshot(snap: Snapshot, flat: Path, engine: str, format: str) -> None:
    # GIVEN the number of distinct values of each column
    table = pa.concat_tables(record_tables(snap))
    values = {name: len(table[name].drop_null().unique()) for name in table.schema.names}
    assert values["swp_entry"] == snap.count("swap") > 0
    # WHEN an engine reads the export with its defaults
    counts = ENGINES[engine](flat / f"flat.{format}")
    # THEN it finds the same numbers
    assert counts == values


def test_pandas_reads_integers_from_parquet(snap: Snapshot, flat: Path) -> None:
    for path in (flat / "flat.parquet", *snap.path.glob("*.parquet")):
        read = pd.read_parquet(path)
        floats = [name for name in read if pd.api.types.is_float_dtype(read[name].dtype)]
        assert floats == [], path.name


def test_only_values_of_64_bits_are_unsigned_in_parquet(snap: Snapshot, flat: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed: pip install duckdb")
    # GIVEN Spark, which reads UBIGINT as decimal(20,0) and has the other types
    for path in (flat / "flat.parquet", *snap.path.glob("*.parquet")):
        columns = duckdb.sql(f"DESCRIBE SELECT * FROM '{path}'").fetchall()
        unsigned = {name for name, kind, *_ in columns if kind == "UBIGINT"}
        # THEN it reads times, PFNs, slots and bytes as numbers
        assert unsigned <= {"swp_entry", "page_flags"}, path.name
        numbers = {name: kind for name, kind, *_ in columns if name in ("pfn", "ts_nsec", "swap_offset", "bytes")}
        assert set(numbers.values()) <= {"BIGINT"}, path.name


def test_bytes_add_up_to_the_total_of_report(snap: Snapshot, flat: Path) -> None:
    totals = spo.attribute(snap, by=[]).iloc[0]
    read = pd.read_parquet(flat / "flat.parquet")
    sums = read.groupby("in_table")["bytes"].sum()
    assert (sums["memory"], sums["swap"]) == (totals["mem_bytes"], totals["swap_bytes"])


def test_the_examples_of_the_document_print_what_they_show(tmp_path: Path) -> None:
    pytest.importorskip("duckdb", reason="duckdb is not installed: pip install duckdb")
    # GIVEN the files that the document's first command writes
    snap = spo.snapshot(from_=CARRIED / "7.2-spo-varied" / "2-swapped", output=tmp_path / "now.spo")
    for format in ("csv", "parquet"):
        with (tmp_path / f"now.{format}").open("w") as file:
            spo.export(snap, format, file)
    examples = re.findall(r"```python\n(.*?)```\n+```text\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert len(examples) == 2
    for code, shown in examples:
        # WHEN one is run as printed
        script = code.replace("/tmp/", f"{tmp_path}/")
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        # THEN
        assert (ran.stdout, ran.stderr) == (shown, "")


def test_memory_is_bounded_by_row_groups(snap: Snapshot, flat: Path) -> None:
    import pyarrow.parquet as pq

    metadata: Any = pq.read_metadata(flat / "flat.parquet")
    rows = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    assert len(rows) >= 2
    assert max(rows) <= 1 << 16
