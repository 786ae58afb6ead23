# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ages: the time from an allocation to the snapshot, in classes."""

from pathlib import Path

import pandas as pd
import pytest

import spo_trace as spo
from spo_trace.analysis.ages import AGES
from spo_trace.api.analyses import ages
from tests.support import CARRIED, MACHINE, entry, page, snapshot_of

SECOND = 1_000_000_000

# MACHINE has been up for 100 s.
FILES = {
    **MACHINE,
    "page_owner": page(0x100, comm=b"old", ts=10 * SECOND, order=1)
    + page(0x102, comm=b"young", ts=99 * SECOND + 1)
    + page(0x103, comm=b"young", ts=99 * SECOND)
    + page(0x104, comm=b"later", ts=101 * SECOND),
    "swap_page_owner": entry(1, b"old", ts=20 * SECOND) + entry(2, b"old", ts=10 * SECOND),
}


def rows(table: pd.DataFrame) -> list[tuple[object, ...]]:
    shown = table[["comm", "age_from", "age_to", "mem_pages", "swap_pages"]].astype(object)
    return list(shown.itertuples(index=False, name=None))


def test_ages_are_computed_from_uptime(tmp_path: Path) -> None:
    # WHEN pages of known times are attributed to their ages
    table = ages(snapshot_of(tmp_path, FILES))
    # THEN the largest owner comes first, with its youngest class first; a class begins at the end of the previous one
    assert rows(table) == [
        ("old", 60, 120, 2, 2),
        ("young", 0, 1, 1, 0),
        ("young", 1, 2, 1, 0),
        ("later", 0, 1, 1, 0),
    ]
    assert list(table["total_bytes"]) == [16384, 4096, 4096, 4096]


def test_without_an_uptime_ages_count_back_from_the_newest_allocation(tmp_path: Path) -> None:
    files = {name: content for name, content in FILES.items() if name != "uptime"}
    assert rows(ages(snapshot_of(tmp_path, files)))[-1] == ("later", 0, 1, 1, 0)


def test_times_up_to_the_end_of_64_bits(tmp_path: Path) -> None:
    # GIVEN a crafted text, whose times no machine reaches
    last = (1 << 63) - 1
    pages = page(0x100, comm=b"last", ts=last) + page(0x101, comm=b"first", ts=0)
    later = snapshot_of(tmp_path, {"page_owner": pages}, name="later")
    # THEN they are counted back from the newest one, or are later than the uptime
    assert rows(ages(later)) == [("first", 90 * 86400, pd.NA, 1, pd.NA), ("last", 0, 1, 1, pd.NA)]
    machine = snapshot_of(tmp_path, {**MACHINE, "page_owner": pages}, name="machine")
    assert rows(ages(machine)) == [("first", 60, 120, 1, pd.NA), ("last", 0, 1, 1, pd.NA)]


def test_a_record_without_a_time_has_no_age(tmp_path: Path) -> None:
    # GIVEN a record of Linux 5.10, which prints no ts
    old = (
        b"Page allocated via order 0, mask 0xcc0(GFP_KERNEL)\n"
        b"PFN 256 type Movable Block 0 type Movable Flags 0x8(lru)\n prep_new_page+0x1c/0x48\n\n"
    )
    table = ages(snapshot_of(tmp_path, {**MACHINE, "page_owner": old}))
    # THEN its age is missing, but its pages are counted
    assert rows(table) == [(pd.NA, pd.NA, pd.NA, 1, pd.NA)]


@pytest.mark.parametrize("by", [[], ["comm"], ["category", "memcg"], ["stack"]])
def test_ages_sum_to_the_attribution(by: list[str]) -> None:
    # GIVEN the text of a real kernel
    snap = spo.open(CARRIED / "7.2-spo-varied" / "3-partial")
    # THEN the age classes of a group add up to its total
    amounts = ["mem_pages", "swap_pages", "mem_bytes", "swap_bytes", "total_bytes"]
    table, owned = ages(snap, by), spo.attribute(snap, by)
    assert table[amounts].sum().to_dict() == owned[amounts].sum().to_dict()
    if by:
        sums = table.groupby(by, dropna=False)["total_bytes"].sum().sort_values(ascending=False)
        assert list(sums) == list(owned["total_bytes"])


def test_unknown_amounts_are_missing_in_ages(tmp_path: Path) -> None:
    # GIVEN a machine without swap_page_owner, and swap_page_owner without page_owner
    without = {name: text for name, text in FILES.items() if name != "swap_page_owner"}
    memory = ages(snapshot_of(tmp_path, without, name="memory"))
    swap = ages(snapshot_of(tmp_path, {"swap_page_owner": FILES["swap_page_owner"]}, name="swap"))
    # THEN the unknown amounts are missing, not 0, and the totals include only known ones
    assert memory[["swap_pages", "swap_bytes"]].isna().all(axis=None) and memory["total_bytes"].sum() == 5 * 4096
    assert swap[["mem_pages", "mem_bytes"]].isna().all(axis=None) and swap["total_bytes"].sum() == 2 * 4096


def test_a_condition_applies_to_ages(tmp_path: Path) -> None:
    table = ages(snapshot_of(tmp_path, FILES), where='comm == "young"')
    assert set(table["comm"]) == {"young"} and table["mem_pages"].sum() == 2


def test_classes_are_in_ascending_order() -> None:
    assert list(AGES) == sorted(set(AGES)) and AGES[0] == 0
