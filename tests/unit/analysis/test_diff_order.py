# SPDX-License-Identifier: LGPL-2.1-or-later
"""The orders of a difference: by default, large changes first in either direction."""

from pathlib import Path

import pandas as pd
import pytest

from spo_trace.analysis.diff_order import sort_diff
from spo_trace.api.analyses import diff
from spo_trace.errors import UsageError
from spo_trace.snapshots.reader import Snapshot
from tests.support import MACHINE, entry, page, snapshot_of

# Changes of memory and of swap, in pages.
CHANGES = {"grew": (8, 0), "shrank": (-32, 0), "moved": (-16, 16), "swapped": (0, 4), "same": (0, 0)}


def pages(comm: str, order: int, pfn: int) -> bytes:
    return page(pfn, order, comm.encode())


def entries(comm: str, number: int, start: int) -> bytes:
    return b"".join(entry(start + n, comm.encode()) for n in range(number))


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Snapshot, Snapshot]:
    """Return two snapshots of one boot in which owners change as in CHANGES."""
    before = pages("shrank", 5, 0x1000) + pages("moved", 4, 0x1100) + pages("same", 0, 0x1200)
    after = pages("grew", 3, 0x1000) + pages("same", 0, 0x1200)
    swap = entries("moved", 16, 1) + entries("swapped", 4, 100)
    files = [
        {**MACHINE, "page_owner": before, "swap_page_owner": b""},
        {**MACHINE, "page_owner": after, "swap_page_owner": swap, "uptime": b"110.00 2.0\n"},
    ]
    return snapshot_of(tmp_path, files[0], name="a"), snapshot_of(tmp_path, files[1], name="b")


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("change", ["shrank", "moved", "grew", "swapped", "same"]),
        ("growth", ["grew", "swapped", "moved", "same", "shrank"]),
        ("rate", ["grew", "swapped", "moved", "same", "shrank"]),
        ("shrink", ["shrank", "moved", "same", "swapped", "grew"]),
        ("mem", ["shrank", "moved", "grew", "swapped", "same"]),
        ("swap", ["moved", "swapped", "grew", "same", "shrank"]),
        ("total", ["shrank", "grew", "swapped", "moved", "same"]),
        ("comm", ["grew", "moved", "same", "shrank", "swapped"]),
        ("mem_bytes_a", ["shrank", "moved", "same", "grew", "swapped"]),
    ],
)
def test_each_order(pair: tuple[Snapshot, Snapshot], sort: str, order: list[str]) -> None:
    table = diff(*pair, sort=sort)
    assert table["comm"].tolist() == order
    changed = table.set_index("comm")[["mem_bytes_delta", "swap_bytes_delta"]] // 4096
    assert {comm: tuple(row) for comm, row in zip(changed.index, changed.to_numpy(), strict=True)} == CHANGES


def test_by_default_the_largest_changes_come_first(pair: tuple[Snapshot, Snapshot]) -> None:
    assert diff(*pair)["comm"].tolist() == diff(*pair, sort="change")["comm"].tolist()
    # The reverse difference has the same order, as growth becomes shrinkage.
    before, after = pair
    assert diff(after, before)["comm"].tolist() == diff(*pair)["comm"].tolist()


def test_an_order_that_does_not_exist(pair: tuple[Snapshot, Snapshot]) -> None:
    with pytest.raises(UsageError) as caught:
        diff(*pair, sort="size")
    assert caught.value.message == "can't sort by 'size'"
    assert caught.value.hint == "choose one of change, growth, shrink, mem, swap, total, rate, comm"


def test_without_a_rate_it_is_not_an_order(pair: tuple[Snapshot, Snapshot]) -> None:
    with pytest.raises(UsageError, match="can't sort by 'rate'"):
        sort_diff(diff(*pair).drop(columns="rate"), ["comm"], "rate")


def test_sorting_by_stack_uses_symbols_if_these_replace_it() -> None:
    amounts = {f"{name}_bytes_delta": [0, 0] for name in ("mem", "swap", "total")}
    table = pd.DataFrame({"symbols": ["b", "a"], **amounts})
    assert sort_diff(table, ["symbols"], "stack")["symbols"].tolist() == ["a", "b"]
