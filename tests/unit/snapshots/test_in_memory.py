# SPDX-License-Identifier: LGPL-2.1-or-later
"""A page opens each table of records once, however many analyses it shows."""

import io
from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

import spo_trace as spo
from spo_trace.cli import diff, report
from spo_trace.snapshots.in_memory import in_memory
from spo_trace.snapshots.reader import Snapshot
from spo_trace.snapshots.table_file import Expected, TableFile
from tests.support import ANON, FS, MACHINE, entry, page, snapshot_of

FILES = {
    **MACHINE,
    "page_owner": page(0x100, 3, stack=FS) + page(0x108, 1, b"cat", stack=ANON, pid=9),
    "swap_page_owner": entry(1) + entry(2, b"cat"),
}
TABLES = ("pages.parquet", "swap.parquet")


@pytest.fixture
def snap(tmp_path: Path) -> Snapshot:
    """Return a snapshot with memory and swap."""
    return snapshot_of(tmp_path, FILES, name="a")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Return how often each Parquet file was opened, by its path."""
    counts: Counter[str] = Counter()
    init = TableFile.__init__

    def count(self: TableFile, path: Path, table: str, expected: Expected) -> None:
        counts[str(path)] += 1
        init(self, path, table, expected)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("opens a file that is not counted")

    monkeypatch.setattr(TableFile, "__init__", count)
    monkeypatch.setattr(pq, "read_table", refuse)
    return counts


def records(opened: Counter[str]) -> dict[str, int]:
    """Return how often the tables of records were opened, by their directory and name."""
    paths = {Path(path): number for path, number in opened.items()}
    return {f"{path.parent.name}/{path.name}": number for path, number in paths.items() if path.name in TABLES}


@pytest.mark.parametrize("where", [None, 'bytes > 4096 and pid > 0 and caller != "x"'])
def test_an_exported_page_opens_each_table_once(snap: Snapshot, opened: Counter[str], where: str | None) -> None:
    spo.export(snap, "html", io.StringIO(), where=where)
    assert records(opened) == {"a.spo/pages.parquet": 1, "a.spo/swap.parquet": 1}


def test_report_and_its_page_open_each_table_once(snap: Snapshot, opened: Counter[str], tmp_path: Path) -> None:
    report.command(str(snap.path), by=["node,order"], where=["pid > 0"], html=tmp_path / "page.html")
    assert records(opened) == {"a.spo/pages.parquet": 1, "a.spo/swap.parquet": 1}


def test_diff_and_its_page_open_each_table_once(snap: Snapshot, opened: Counter[str], tmp_path: Path) -> None:
    other = snapshot_of(tmp_path, {**FILES, "uptime": b"200.00 1.00\n"}, name="b")
    opened.clear()
    diff.command(str(snap.path), str(other.path), by=["node,order"], html=tmp_path / "page.html")
    assert records(opened) == {f"{side}.spo/{table}": 1 for side in "ab" for table in TABLES}


def test_what_is_in_memory_is_what_is_on_disk(snap: Snapshot, opened: Counter[str]) -> None:
    columns = {"pages": ["order", "comm", "ts_nsec"], "swap": ["swap_type"]}
    held = in_memory(snap, columns)
    assert in_memory(held, {"pages": ["comm"]}) is held
    for table, names in columns.items():
        pd.testing.assert_frame_equal(held.read(table, names), snap.read(table, names))
        parts = [pd.concat(one.dataframes(table, names[::-1])) for one in (held, snap)]
        pd.testing.assert_frame_equal(parts[0], parts[1])
        assert held.count(table) == snap.count(table)
    # AND other columns still come from disk.
    opened.clear()
    assert held.read("pages", ["pfn", "order"])["order"].tolist() == [3, 1]
    assert records(opened) == {"a.spo/pages.parquet": 1}


def test_a_table_without_rows(tmp_path: Path) -> None:
    empty = snapshot_of(tmp_path, {**MACHINE, "page_owner": page(), "swap_page_owner": b""})
    held = in_memory(empty, {"swap": ["swap_type", "comm"]})
    assert [len(frame) for frame in held.dataframes("swap", ["comm"])] == [0]
