# SPDX-License-Identifier: LGPL-2.1-or-later
"""All records in one flat table."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from spo_trace.analysis import records
from spo_trace.analysis.records import record_tables, records_schema, text_frames
from spo_trace.analysis.where import Condition
from spo_trace.api.analyses import attribute
from spo_trace.errors import SpoTraceError
from spo_trace.snapshots.reader import Snapshot
from tests.support import ANON, FS, MACHINE, entry, page, snapshot_of

HUGE = 0x400000000000001


@pytest.fixture
def snap(tmp_path: Path) -> Snapshot:
    """Return a snapshot with three allocations and two swap entries."""
    cached = b"owner_priv_1|swapbacked"
    pages = page(0x100, stack=FS) + page(0x101, tail=b"Charged to memcg m\n", flags=cached) + page(0x102, stack=FS)
    swap = entry(HUGE, stack=ANON) + entry(HUGE + 1, b"cat")
    return snapshot_of(tmp_path, {**MACHINE, "page_owner": pages, "swap_page_owner": swap})


def test_columns_are_those_of_both_tables_and_of_the_stack() -> None:
    names = records_schema().names
    assert names[:3] == ["where", "pfn", "order"]
    assert names[-19:] == [
        *("kernel_pid", "kernel_tgid", "kernel_comm", "kernel_ts_nsec"),
        *("swp_entry", "swap_type", "swap_offset", "origin"),
        *("stack_hash", "caller", "module", "category", "stack", "kernel_stack"),
        *("in_table", "alloc_order", "page_size", "bytes", "in_swap_cache"),
    ]
    assert len(names) == len(set(names)) == 43
    assert not any(name.endswith("stack_id") for name in names)
    assert not any(pa.types.is_dictionary(field.type) for field in records_schema())


def test_every_record_with_its_stack(snap: Snapshot) -> None:
    frame = pd.concat(text_frames(record_tables(snap)), ignore_index=True)
    assert frame["where"].tolist() == ["memory"] * 3 + ["swap"] * 2
    assert frame["pfn"].tolist() == [0x100, 0x101, 0x102, pd.NA, pd.NA]
    assert frame["swp_entry"].isna().tolist() == [True] * 3 + [False] * 2
    assert frame["swp_entry"].tolist()[3:] == ["0x400000000000001", "0x400000000000002"]
    assert frame["page_flags"].tolist()[:3] == ["0x8"] * 3
    assert frame["comm"].tolist() == ["dd"] * 4 + ["cat"]
    assert frame["in_swap_cache"].tolist() == [False, True, False, pd.NA, pd.NA]
    assert frame["memcg"].isna().tolist() == [True, False, True, True, True]
    assert frame["category"].tolist() == ["page cache", "anon", "page cache", "anon", "tmpfs/shmem"]
    assert frame["module"].tolist() == ["ext4", "vmlinux", "ext4", "vmlinux", "vmlinux"]
    assert frame["stack"].tolist()[3] == b";".join(ANON).decode()
    assert frame["stack_hash"].tolist()[1] == frame["stack_hash"].tolist()[3]
    assert not [name for name in frame if pd.api.types.is_float_dtype(frame[name])]


def test_tables_are_of_bounded_size(snap: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_BATCH", 2)
    tables = list(record_tables(snap))
    assert [table.num_rows for table in tables] == [2, 1, 2]
    assert {table.schema for table in tables} == {records_schema()}


def test_a_damaged_table_is_a_clear_error(snap: Snapshot) -> None:
    (snap.path / "swap.parquet").write_bytes(b"PAR1")
    with pytest.raises(SpoTraceError, match=r"/x\.spo is damaged: swap\.parquet: "):
        list(record_tables(snap))


def test_sizes_are_in_bytes_of_this_machine(tmp_path: Path) -> None:
    # GIVEN a machine with pages of 64 KiB
    text = page(0x100, order=3) + page(0x200)
    files = {**MACHINE, "pagesize": b"65536\n", "page_owner": text, "swap_page_owner": entry(HUGE)}
    snap = snapshot_of(tmp_path, files)
    # WHEN
    frame = pd.concat(text_frames(record_tables(snap)), ignore_index=True)
    # THEN the size of each record is given in bytes
    assert frame["page_size"].tolist() == [65536] * 3
    assert frame["bytes"].tolist() == [8 * 65536, 65536, 65536]
    # AND columns whose names are reserved in SQL have a second name
    assert frame["in_table"].tolist() == frame["where"].tolist() == ["memory", "memory", "swap"]
    assert frame["alloc_order"].tolist()[:2] == frame["order"].tolist()[:2] == [3, 0]


def test_times_with_gaps_are_text_in_text_and_numbers_in_parquet(snap: Snapshot) -> None:
    late = (1 << 53) + 1
    table = next(record_tables(snap))
    for name in ("free_ts_nsec", "kernel_ts_nsec"):
        number = table.schema.get_field_index(name)
        assert table.schema.field(name).type == pa.int64()
        table = table.set_column(number, name, pa.array([late, None, late + 1], pa.int64()))
    (frame,) = text_frames(iter([table]))
    for name in ("free_ts_nsec", "kernel_ts_nsec"):
        assert frame[name].dropna().tolist() == ["0x20000000000001", "0x20000000000002"]
    assert frame["ts_nsec"].tolist() == [5, 5, 5]


@pytest.mark.parametrize(
    ("where", "memory", "swap"),
    [
        ('comm == "cat"', 0, 1),
        ("order >= 0", 3, 0),
        ("swp_entry > 0", 0, 2),
        ('category == "page cache" or comm == "cat"', 2, 1),
        ("bytes > 4096", 0, 0),
        ("pfn_range_4K == 0x101", 1, 0),
        ('memcg == "m"', 1, 0),
        ("True", 3, 2),
    ],
)
def test_only_records_that_match(snap: Snapshot, where: str, memory: int, swap: int) -> None:
    tables = list(record_tables(snap, Condition(where)))
    assert {table.schema for table in tables} == {records_schema()}
    found = pa.concat_tables(tables).column("where").to_pylist()
    assert (found.count("memory"), found.count("swap")) == (memory, swap)
    # AND they are those that are counted
    sums = attribute(snap, [], where=where)[["mem_pages", "swap_pages"]].fillna(0)
    assert sums.to_numpy().tolist() == [[memory, swap]]


def test_a_record_in_several_places_is_whole(tmp_path: Path) -> None:
    # GIVEN an allocation that spans two pageblocks
    snap = snapshot_of(tmp_path, {**MACHINE, "page_owner": page(0x200, 10) + page(0x600)})
    # THEN it is selected by either, once
    for where in ("pageblock == 1", "pageblock == 2", "pageblock <= 2"):
        frame = pd.concat(text_frames(record_tables(snap, Condition(where))))
        assert frame[["pfn", "bytes"]].to_numpy().tolist() == [[0x200, 1024 * 4096]]


def test_a_condition_on_an_unknown_key_is_refused(tmp_path: Path) -> None:
    snap = snapshot_of(tmp_path, {**MACHINE, "page_owner": page(), "swap_page_owner": entry(1)})
    with pytest.raises(SpoTraceError, match="handle is unknown for all memory and swap"):
        list(record_tables(snap, Condition("handle > 0")))
