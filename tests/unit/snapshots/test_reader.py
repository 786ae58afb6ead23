# SPDX-License-Identifier: LGPL-2.1-or-later
"""Snapshots are read back exactly, with the requested columns only; damage is reported."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from spo_trace import schema
from spo_trace.errors import SpoTraceError
from spo_trace.snapshots.reader import Snapshot
from spo_trace.version import UPGRADE
from tests.support import MACHINE, entry, page, snapshot_of

HUGE = 0x400000000000001  # swap type 1; the next float64 is 64 away
LAST = (1 << 63) - 1


@pytest.fixture
def snap(tmp_path: Path) -> Snapshot:
    """Return a snapshot with numbers that float64 cannot represent."""
    pages = page(0x100, ts=LAST) + page(0x7FFFFFFFFFFFFFF1, 3, b"\xc3\xa9\n", tail=b"Charged to memcg m\n")
    old = b"Page allocated via order 0, mask 0x0()\n" + page(0x7FFFFFFFFFFFFFFA).split(b"\n", 1)[1]
    swap = entry(HUGE) + entry(HUGE + 1)
    return snapshot_of(tmp_path, {**MACHINE, "page_owner": pages + old, "swap_page_owner": swap})


def test_integers_stay_exact_in_columns_with_nulls(snap: Snapshot) -> None:
    assert snap.pages["pfn"].tolist() == [0x100, 0x7FFFFFFFFFFFFFF1, 0x7FFFFFFFFFFFFFFA]
    assert snap.pages["ts_nsec"].tolist() == [LAST, 5, pd.NA]
    assert snap.pages["ts_nsec"].dtype == "Int64"
    assert snap.swap["swp_entry"].tolist() == [HUGE, HUGE + 1]
    assert snap.swap["swap_type"].tolist() == [1, 1]
    assert snap.pages["memcg_objcg"].tolist() == [pd.NA, False, pd.NA]
    assert snap.pages["order"].tolist() == [0, 3, 0]


def test_no_column_becomes_a_float(snap: Snapshot) -> None:
    for name, table in schema.TABLES.items():
        frame = snap.read(name)
        assert list(frame.columns) == table.names
        assert not [column for column in frame if pd.api.types.is_float_dtype(frame[column])]


def test_only_the_requested_columns_are_read(snap: Snapshot) -> None:
    assert list(snap.read("pages", ["order", "comm"]).columns) == ["order", "comm"]
    assert snap.read("swap", ["pid"])["pid"].tolist() == [7, 7]
    assert snap.read("stacks", []).shape == (2, 0)


def test_names_are_escaped_and_may_be_missing(snap: Snapshot) -> None:
    assert snap.pages["comm"].tolist()[:2] == ["dd", "é\\n"]
    assert pd.isna(snap.pages["comm"].iloc[2])
    assert snap.stacks["stack_id"].tolist() == list(range(len(snap.stacks)))


def test_tables_are_read_once(snap: Snapshot) -> None:
    assert snap.pages is snap.pages
    assert (snap.page_size, repr(snap)) == (4096, f"Snapshot('{snap.path}', kernel='7.2.13')")


def damaged(snap: Snapshot, **changed: Any) -> None:
    """Write other values into snapshot.json."""
    path = snap.path / "snapshot.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changed))


def test_a_snapshot_of_a_newer_spo_trace(snap: Snapshot) -> None:
    version = schema.SCHEMA_VERSION + 1
    damaged(snap, schema_version=version)
    with pytest.raises(SpoTraceError) as caught:
        Snapshot(snap.path)
    assert (
        caught.value.message
        == f"{snap.path} has schema version {version}; this spo-trace reads up to {schema.SCHEMA_VERSION}"
    )
    assert caught.value.hint == UPGRADE


def test_no_snapshot(tmp_path: Path) -> None:
    with pytest.raises(SpoTraceError, match=r"/no is not a snapshot: No such file or directory$"):
        Snapshot(tmp_path / "no")
    (tmp_path / "file").touch()
    with pytest.raises(SpoTraceError, match=r"/file is not a snapshot: Not a directory$"):
        Snapshot(tmp_path / "file")


@pytest.mark.parametrize(
    ("way", "harm"),
    [*product(("read", "batches"), ("missing", "empty", "cut", "garbage")), ("read", "no such column")],
)
def test_a_damaged_table_is_a_clear_error(snap: Snapshot, way: str, harm: str) -> None:
    path = snap.path / "pages.parquet"
    content = path.read_bytes()
    if harm == "missing":
        path.unlink()
    elif harm != "no such column":
        path.write_bytes({"empty": b"", "cut": content[:-9], "garbage": b"\0" * 999}[harm])
    with pytest.raises(SpoTraceError) as caught:
        if way == "read":
            snap.read("pages", ["comm", "nosuch"] if harm == "no such column" else None)
        else:
            list(snap.batches("pages", 10))
    assert caught.value.message.startswith(f"{snap.path} is damaged: pages.parquet: ")
    assert "\n" not in caught.value.message
    assert caught.value.hint == "was it copied completely? Copy it again, or take it again"


def test_batches_are_bounded_and_complete(snap: Snapshot) -> None:
    assert [batch.num_rows for batch in snap.batches("pages", 2)] == [2, 1]


def test_columns_that_an_older_version_lacks_are_null(snap: Snapshot) -> None:
    path = snap.path / "pages.parquet"
    old = pq.read_table(path)
    later = [name for name in old.column_names if name.startswith("kernel_")]
    pq.write_table(old.drop_columns(later), path)
    damaged(snap, schema_version=1)
    again = Snapshot(snap.path)
    assert later == schema.KERNEL_OWNER.names
    assert list(again.pages.columns) == schema.TABLES["pages"].names
    assert again.pages[later].isna().all().all()
    asked = ["kernel_comm", "pfn"]
    assert list(again.read("pages", asked).columns) == asked
    assert [list(frame.columns) for frame in again.dataframes("pages", asked)] == [asked]


def test_a_table_without_rows(tmp_path: Path) -> None:
    # GIVEN a snapshot of a machine without pages in swap
    snap = snapshot_of(tmp_path, {"page_owner": page(), **MACHINE})
    # WHEN its swap table is read in each way, THEN it has all columns and no rows
    whole, (part,), (chosen,) = (
        snap.read("swap"),
        snap.dataframes("swap", schema.SWAP.names),
        snap.dataframes("swap", ["pid"]),
    )
    assert (len(whole), len(part), len(chosen)) == (0, 0, 0)
    assert whole.dtypes.to_dict() == part.dtypes.to_dict()
    assert chosen.dtypes.to_dict() == {"pid": whole["pid"].dtype}
    assert list(snap.batches("swap", 10)) == []
    assert snap.count("swap") == 0
