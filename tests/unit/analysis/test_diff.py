# SPDX-License-Identifier: LGPL-2.1-or-later
"""Differences within one boot, between boots and between kernels, with new and vanished owners."""

from pathlib import Path

import pandas as pd
import pytest

from spo_trace.analysis.diff import Relation, relate
from spo_trace.api.analyses import diff
from spo_trace.errors import SpoTraceError
from spo_trace.snapshots.reader import Snapshot
from tests.support import ANON, FS, MACHINE, SHMEM, entry, page, snapshot_of

PAGE = 4096
REBUILT = b"Linux box 7.2.13 #2 SMP Mon x86_64\n"
BOTH = ("mem", "swap")
A = {"page_owner": page(order=3) + page(0x110, comm=b"gone"), "swap_page_owner": entry(1) + entry(2)}
B = {"page_owner": page(order=1) + page(0x110, 4, comm=b"new"), "swap_page_owner": entry(1, b"new")}


def snapshots(tmp_path: Path, **changed: tuple[bytes, bytes]) -> tuple[Snapshot, Snapshot]:
    """Return two snapshots of one machine, 10 s apart, which differ in the files `changed`."""
    files = ({**MACHINE, **A}, {**MACHINE, **B, "uptime": b"110.00 2.0\n"})
    for number, own in enumerate(files):
        own.update({key: texts[number] for key, texts in changed.items()})
    return snapshot_of(tmp_path, files[0], name="a"), snapshot_of(tmp_path, files[1], name="b")


def rows(table: pd.DataFrame) -> list[list[object]]:
    """Return a table as lists, with None for missing values."""
    return [[None if pd.isna(value) else value for value in row] for row in table.to_numpy().tolist()]


def test_growing_new_and_vanished_owners(tmp_path: Path) -> None:
    table = diff(*snapshots(tmp_path))
    assert list(table.columns) == [
        *("comm", "key_known"),
        *("mem_bytes_a", "mem_bytes_b", "mem_bytes_delta"),
        *("swap_bytes_a", "swap_bytes_b", "swap_bytes_delta"),
        *("swap_cache_bytes_a", "swap_cache_bytes_b", "swap_cache_bytes_delta"),
        *("total_bytes_a", "total_bytes_b", "total_bytes_delta"),
        "rate",
    ]
    amounts = [[row[0], *(value // PAGE for value in row[2:14]), row[14]] for row in table.to_numpy().tolist()]
    assert amounts == [
        ["new", 0, 16, 16, 0, 1, 1, 0, 0, 0, 0, 17, 17, 17 * PAGE / 10],
        ["dd", 8, 2, -6, 2, 0, -2, 0, 0, 0, 10, 2, -8, -8 * PAGE / 10],
        ["gone", 1, 0, -1, 0, 0, 0, 0, 0, 0, 1, 0, -1, -1 * PAGE / 10],
    ]
    assert [str(dtype) for dtype in table.dtypes[2:14]] == ["int64"] * 12


def test_without_keys_it_is_the_machines_growth(tmp_path: Path) -> None:
    assert rows(diff(*snapshots(tmp_path), [])[["total_bytes_a", "total_bytes_b", "total_bytes_delta"]]) == [
        [11 * PAGE, 19 * PAGE, 8 * PAGE]
    ]


def test_where_applies_to_both_snapshots(tmp_path: Path) -> None:
    assert rows(diff(*snapshots(tmp_path), where="order == 1")[["comm", "total_bytes_delta"]]) == [["dd", 2 * PAGE]]


def test_a_snapshot_compared_with_itself_has_no_growth(tmp_path: Path) -> None:
    snap, _ = snapshots(tmp_path)
    table = diff(snap, snap, ["comm", "stack", "type"])
    assert (table["total_bytes_delta"] == 0).all()
    assert len(table) == 3
    assert "rate" not in table


MEMCG = b"Charged to memcg m\n"


@pytest.mark.parametrize("key", ["memcg", "memcg_offline", "type", "module_name", "node", "order"])
@pytest.mark.parametrize("first", [True, False])
def test_a_key_that_only_one_snapshot_has(tmp_path: Path, key: str, first: bool) -> None:
    with_it = page(tail=MEMCG).replace(b"\n prep", b"\nPage allocated by module x\n prep")
    texts = (with_it, page().replace(b"node=0|", b""))
    table = diff(*snapshots(tmp_path, page_owner=texts if first else texts[::-1]), key)
    assert not table[key].duplicated().any()
    assert table["mem_bytes_a"].sum() == table["mem_bytes_b"].sum() == PAGE


def test_missing_keys_are_one_owner(tmp_path: Path) -> None:
    # GIVEN pages that are not charged, and swap entries, whose memory cgroup is unknown
    ours, other = page(0x101, tail=MEMCG), page(0x102, tail=MEMCG.replace(b" m\n", b" n\n"))
    texts = page() + ours, page() + page(0x101) + other
    table = diff(*snapshots(tmp_path, page_owner=texts), "memcg")
    names = ["memcg", "key_known", "mem_bytes_a", "mem_bytes_b", "swap_bytes_a", "swap_bytes_b", "total_bytes_delta"]
    # THEN they are two rows, and swap is unknown in the others
    assert sorted(rows(table[names]), key=str) == [
        ["m", True, PAGE, 0, None, None, -PAGE],
        ["n", True, 0, PAGE, None, None, PAGE],
        [None, False, 0, 0, 2 * PAGE, PAGE, -PAGE],
        [None, True, PAGE, 2 * PAGE, None, None, PAGE],
    ]


def test_owners_of_a_kernel_that_does_not_print_the_key_are_unknown(tmp_path: Path) -> None:
    table = diff(*snapshots(tmp_path, page_owner=(page(), page(tail=MEMCG)), swap_page_owner=(b"", b"")), "memcg")
    assert sorted(rows(table[["memcg", "key_known", "mem_bytes_a", "mem_bytes_b"]]), key=str) == [
        ["m", True, None, PAGE],
        [None, False, PAGE, 0],
    ]


def test_one_boot_is_identified_by_boot_id(tmp_path: Path) -> None:
    assert relate(*snapshots(tmp_path)) == Relation(True, 10.0, BOTH, True)
    assert relate(*snapshots(tmp_path / "x", boot_id=(b"1\n", b"2\n"))) == Relation(True, None, BOTH, True)


def test_without_a_boot_id_the_oldest_allocation_identifies_the_boot(tmp_path: Path) -> None:
    texts = (page(ts=5) + page(0x101, ts=2_000_000_000), page(ts=5) + page(0x101, ts=3_500_000_000))
    no_id = (b"", b"")
    same = snapshots(tmp_path, page_owner=texts, boot_id=no_id, uptime=no_id)
    assert relate(*same) == Relation(True, 1.5, BOTH, True)
    other = snapshots(tmp_path / "x", page_owner=(texts[0], page(ts=6)), boot_id=no_id, uptime=no_id)
    assert relate(*other) == Relation(True, None, BOTH, True)


@pytest.mark.parametrize(("uname", "same_release"), [(b"Linux box 6.12.0 #1 SMP x86_64\n", False), (REBUILT, True)])
def test_another_build_is_another_kernel(tmp_path: Path, uname: bytes, same_release: bool) -> None:
    pair = snapshots(tmp_path, uname=(MACHINE["uname"], uname))
    assert relate(*pair) == Relation(False, None, BOTH, same_release)
    assert "rate" not in diff(*pair)


def test_stacks_of_two_builds_of_one_release_are_compared_by_function_names(tmp_path: Path) -> None:
    moved = [frame.replace(b"+0x", b"+0x1") for frame in ANON]
    texts = (page(order=2, stack=ANON) + page(0x110, stack=SHMEM), page(order=3, stack=moved) + page(0x110, stack=FS))
    swap = (b"", b"")
    pair = snapshots(tmp_path, page_owner=texts, swap_page_owner=swap, uname=(MACHINE["uname"], REBUILT))
    table = diff(*pair, ["stack", "category"])
    assert list(table.columns[:2]) == ["symbols", "category"]
    assert [row[0][-1] for row in table.to_numpy()] == [
        "do_anonymous_page",
        "ext4_readpages",
        "shmem_get_folio_gfp",
    ]
    assert [value // PAGE for value in table["total_bytes_delta"]] == [4, 1, -1]
    assert list(diff(*pair, ["stack", "symbols"]).columns[:2]) == ["symbols", "key_known"]
    same = snapshots(tmp_path / "x", page_owner=texts, swap_page_owner=swap)
    assert [value // PAGE for value in diff(*same, "stack")["total_bytes_delta"]] == [8, -4, 1, -1]


def test_swap_owners_in_only_one_snapshot_are_not_growth(tmp_path: Path) -> None:
    # GIVEN snapshots of one machine without and with the owners of swap
    without = snapshot_of(tmp_path / "a", {**MACHINE, "page_owner": page()})
    with_it = snapshot_of(tmp_path / "b", {**MACHINE, "page_owner": page(), "swap_page_owner": entry(1)})
    # THEN nothing grew, and the relation gives the reason
    assert relate(without, with_it).known == ("mem",)
    for pair in ((without, with_it), (with_it, without)):
        table = diff(*pair)
        assert table[["total_bytes_a", "total_bytes_b", "total_bytes_delta"]].to_numpy().tolist() == [[PAGE, PAGE, 0]]
        # AND swap is missing, not 0
        assert table[["swap_bytes_a", "swap_bytes_b", "swap_bytes_delta"]].isna().all(axis=None)


def test_swap_without_owners_in_both_snapshots_is_missing(tmp_path: Path) -> None:
    files = [{**MACHINE, "page_owner": page(order=order)} for order in (0, 1)]
    pair = snapshot_of(tmp_path / "a", files[0]), snapshot_of(tmp_path / "b", files[1])
    assert relate(*pair).known == ("mem",)
    table = diff(*pair, [])
    assert table[["swap_bytes_a", "swap_bytes_b", "swap_bytes_delta"]].isna().all(axis=None)
    assert table["total_bytes_delta"].tolist() == table["mem_bytes_delta"].tolist() == [PAGE]


def test_memory_only_and_swap_only_cannot_be_compared(tmp_path: Path) -> None:
    memory = snapshot_of(tmp_path / "a", {**MACHINE, "page_owner": page()})
    swap = snapshot_of(tmp_path / "b", {**MACHINE, "swap_page_owner": entry(1) + entry(2)})
    table = diff(swap, swap)
    assert table["mem_bytes_delta"].isna().all() and table["total_bytes_b"].tolist() == [2 * PAGE]
    with pytest.raises(
        SpoTraceError, match="one snapshot has only the owners of memory, the other one only those of swap"
    ):
        diff(memory, swap)


def test_an_unknown_kernel_counts_as_different_unless_it_is_one_boot(tmp_path: Path) -> None:
    unames = (MACHINE["uname"], b"")
    pair = snapshots(tmp_path, uname=unames, boot_id=(b"1\n", b"2\n"))
    assert relate(*pair).same_kernel is None
    assert diff(*pair, "stack").columns[0] == "common"
    assert diff(*snapshots(tmp_path / "x", uname=unames), "stack").columns[0] == "stack"
