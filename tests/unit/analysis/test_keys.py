# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table of keys: every scalar column is a key, and every key works wherever keys are accepted."""

from pathlib import Path

import pyarrow as pa
import pytest

from spo_trace import schema
from spo_trace.analysis import attribution
from spo_trace.analysis.attribution import ORDERS, record_columns
from spo_trace.analysis.keys import FRAME_KEYS, KEY_TABLE, KEYS, Kind, key_of, same_key
from spo_trace.analysis.known_keys import unknown_keys
from spo_trace.analysis.order import sort_rows
from spo_trace.analysis.question import Question
from spo_trace.api.analyses import attribute, diff
from spo_trace.cli.options import COMMON_KEYS
from spo_trace.errors import SpoTraceError
from spo_trace.snapshots.reader import Snapshot
from tests.support import ANON, FS, MACHINE, SHMEM, entry, page, snapshot_of


@pytest.fixture(scope="module")
def snap(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Return a snapshot with memory of three stacks, and swap of two types."""
    files = {
        **MACHINE,
        "page_owner": page(0x100, 3, stack=FS) + page(0x108, 1, b"cat", stack=ANON, pid=9),
        "swap_page_owner": entry(1) + entry(0x400000000000002, b"cat"),
    }
    return snapshot_of(tmp_path_factory.mktemp("snap"), files)


def test_every_scalar_column_of_every_table_is_a_key() -> None:
    tables = [table for name, table in schema.ALL_TABLES.items() if name not in schema.OF_FILE]
    columns = {field.name for table in tables for field in table if not pa.types.is_list(field.type)}
    assert columns <= set(KEYS)
    computed = {"bytes", "type", "pageblock", "memory_block", "reclaimable"}
    assert set(KEYS) - columns == {"stack", "symbols", "callsite", *computed}


def test_a_key_belongs_to_the_table_of_its_column() -> None:
    for key in KEY_TABLE.values():
        if key.name not in ("bytes", "type", "pageblock", "memory_block", "reclaimable"):
            assert key.pages == (key.name if key.name in schema.readable("pages") else None)
            assert key.swap == (key.name if key.name in schema.SWAP.names else None)
        assert key.of_stack == (key.pages is None and key.swap is None)
        assert key.meaning and "|" not in key.meaning


@pytest.mark.parametrize("key", KEYS)
def test_a_key_groups_selects_and_sorts(snap: Snapshot, key: str) -> None:
    # GIVEN the attribution by a key
    table = attribute(snap, key)
    assert table[["mem_pages", "swap_pages"]].sum().tolist() == [10, 2]
    assert str(table[key].dtype) == key_of(key).dtype
    # WHEN it is sorted by the key, THEN it still has all rows
    assert len(sort_rows(table, key, [key])) == len(table)
    # AND conditions on the key select the rows that have it, and those that lack it, of the tables that know the key
    pages = {"pages": 10, "swap": 2}
    known = sum(number for name, number in pages.items() if not unknown_keys(snap, name, [key]))
    if known:
        sums = [attribute(snap, [], where=f"{key}.{test}()")["total_bytes"].sum() for test in ("notna", "isna")]
        assert sum(sums) == known * 4096
        assert sums[0] == table["total_bytes"][table[key].notna()].sum()
    # AND two snapshots can be compared by the key
    assert len(diff(snap, snap, key)) == len(table)


@pytest.mark.parametrize(
    ("key", "condition"),
    [
        (key.name, {Kind.TEXT: "{} == ''", Kind.NUMBER: "{} < 0", Kind.YES_NO: "{} == True and {} == False"}[key.kind])
        for key in KEY_TABLE.values()
    ],
)
def test_a_key_is_compared_by_its_kind(snap: Snapshot, key: str, condition: str) -> None:
    where = condition.format(key, key)
    if all(unknown_keys(snap, table, [key]) for table in ("pages", "swap")):
        with pytest.raises(SpoTraceError, match=f"{key} is unknown for all memory and swap"):
            attribute(snap, [], where=where)
    else:
        assert attribute(snap, [], where=where)["total_bytes"].sum() == 0


@pytest.mark.parametrize("sort", ["type", "swap_type"])
@pytest.mark.parametrize("by", ["type", "swap_type"])
def test_type_is_another_name_for_swap_type(snap: Snapshot, by: str, sort: str) -> None:
    question = Question.of(by, f"{sort} >= 0 and {by} < 2", sort=sort, orders=ORDERS)
    table = attribution.attribute(snap, question)
    assert table[[by, "swap_pages"]].dropna().to_numpy().tolist() == [[0, 1], [1, 1]]


def test_same_key() -> None:
    assert [same_key("type", ["comm", name]) for name in ("type", "swap_type", "pid")] == ["type", "swap_type", None]
    assert same_key("swap_type", ["type"]) == "type"
    assert same_key("comm", ["pid", "comm"]) == "comm"


def test_help_lists_only_existing_keys() -> None:
    assert set(COMMON_KEYS) <= set(KEYS)
    assert set(FRAME_KEYS) <= set(COMMON_KEYS)


def test_bytes_are_of_the_machines_page_size(tmp_path: Path) -> None:
    files = {
        **MACHINE,
        "pagesize": b"65536\n",
        "page_owner": page(order=0) + page(0x108, 3),
        "swap_page_owner": entry(1),
    }
    snap = snapshot_of(tmp_path, files)
    table = attribute(snap, "bytes")
    assert table[["bytes", "mem_pages", "swap_pages"]].to_numpy().tolist() == [[524288, 8, 0], [65536, 1, 1]]
    assert attribute(snap, ["order", "bytes"], where="bytes > 65536")["bytes"].tolist() == [524288]
    assert record_columns(Question.of("bytes", "bytes > 1"), "pages") == ["order", "page_flag_names"]


def test_numbers_beyond_a_float_stay_exact(tmp_path: Path) -> None:
    # GIVEN adjacent numbers that are equal as float64, and the largest time
    swap = entry(0x400000000000001, ts=(1 << 63) - 1, stack=SHMEM) + entry(0x400000000000002, ts=3)
    snap = snapshot_of(tmp_path, {**MACHINE, "page_owner": page(), "swap_page_owner": swap})
    # THEN each is a row of its own
    assert attribute(snap, "swp_entry")["swp_entry"].dropna().tolist() == [0x400000000000001, 0x400000000000002]
    assert (1 << 63) - 1 in attribute(snap, "ts_nsec")["ts_nsec"].tolist()
