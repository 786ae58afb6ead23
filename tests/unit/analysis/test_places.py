# SPDX-License-Identifier: LGPL-2.1-or-later
"""Places in memory: allocations are split at their boundaries, so that sums are the same for all of them."""

from pathlib import Path

import pandas as pd
import pytest

from spo_trace.analysis import places
from spo_trace.analysis.attribution import record_columns
from spo_trace.analysis.question import Question
from spo_trace.analysis.snapshot_notes import key_notes
from spo_trace.api.analyses import attribute, diff
from spo_trace.api.snapshot import open as open_snapshot
from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.snapshots.reader import Snapshot
from tests.oracle.blocks import block_pages
from tests.oracle.captures import read
from tests.support import CARRIED, MACHINE, entry, page, snapshot_of

KINDS = CARRIED.parent / "captures-kinds"
BY = ("pageblock", "memory_block", "pfn_range_4K", "pfn_range_64K", "pfn_range_1G")

# 2**11 pages are four pageblocks. The record after it is not aligned, as no kernel prints it: 8 pages in two of them.
PAGES = [page(0x800, 11), page(0x5FC, 3, b"cat"), page(0x7F00, 0), page(0x8000, 5, b"cat")]
NO_PFN = b"Page allocated via order 1, mask 0x0()\n" + b" %b\n\n" % b"prep_new_page+0x1c/0x48"


@pytest.fixture(scope="module")
def snap(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Return a snapshot with allocations larger than a pageblock, one without a PFN, and two swap entries."""
    files = {**MACHINE, "page_owner": b"".join(PAGES) + NO_PFN, "swap_page_owner": entry(1) + entry(2)}
    return snapshot_of(tmp_path_factory.mktemp("snap"), files)


def found(table: pd.DataFrame, key: str) -> dict[object, tuple[int | None, int | None]]:
    amounts = table[["mem_pages", "swap_pages"]].astype(object).where(table[["mem_pages", "swap_pages"]].notna(), None)
    rows = zip(table[key], table["key_known"], *(amounts[name] for name in amounts), strict=True)
    return {("-" if known else "?") if pd.isna(key) else key: (mem, swap) for key, known, mem, swap in rows}


def test_an_allocation_has_its_pages_in_each_pageblock(snap: Snapshot) -> None:
    blocks: dict[object, tuple[int, int]] = {
        2: (4, 0),
        3: (4, 0),
        **dict.fromkeys((4, 5, 6, 7), (512, 0)),
        0x3F: (1, 0),
        0x40: (32, 0),
    }
    blocks |= {"?": (2, 0), "-": (0, 2)}
    assert found(attribute(snap, "pageblock"), "pageblock") == blocks


def test_memory_blocks_and_ranges(snap: Snapshot) -> None:
    blocks: dict[object, tuple[int, int]] = {0: (2048 + 8 + 1, 0), 1: (32, 0), "?": (2, 0), "-": (0, 2)}
    assert found(attribute(snap, "memory_block"), "memory_block") == blocks
    ranges = found(attribute(snap, "pfn_range_16M"), "pfn_range_16M")
    assert {0: (2048 + 8, 0), 0x7000: (1, 0), 0x8000: (32, 0)}.items() <= ranges.items()


@pytest.mark.parametrize("by", [*BY, list(BY), ["comm", "pageblock"], ["pageblock", "stack", "memory_block"]])
def test_sums_of_any_grouping_equal_the_ungrouped_sums(snap: Snapshot, by: str | list[str]) -> None:
    table = attribute(snap, by)
    assert table[["mem_pages", "swap_pages"]].sum().tolist() == [2048 + 8 + 1 + 32 + 2, 2]
    assert (diff(snap, snap, by)["total_bytes_delta"] == 0).all()


def test_a_condition_on_a_place_selects_parts(snap: Snapshot) -> None:
    for where, pages in {
        "pageblock == 5": 512,
        "pageblock == 3 or pageblock == 4": 4 + 512,
        "pageblock == 5 and comm == 'dd'": 512,
        "pageblock == 5 and comm == 'cat'": 0,
        "memory_block == 1": 32,
        "pfn_range_1M == 0x800": 256,
        "pfn_range_1M == 0x801": 0,
    }.items():
        assert attribute(snap, [], where=where)[["mem_pages", "swap_pages"]].to_numpy().tolist() == [[pages, 0]], where

    # Swap is nowhere in memory.
    table = attribute(snap, [], where="pageblock.isna()")
    assert table[["mem_pages", "swap_pages"]].to_numpy().tolist() == [[2, 2]]


def test_the_columns_that_a_place_needs() -> None:
    assert record_columns(Question.of("pageblock"), "pages") == ["pfn", "order", "page_flag_names"]
    assert record_columns(Question.of("comm", "memory_block == 1"), "pages") == [
        *("pfn", "order", "comm", "page_flag_names"),
    ]


@pytest.mark.parametrize(
    ("name", "file", "message"),
    [
        ("pageblock", "pagetypeinfo", "the size of a pageblock is unknown in x.spo: neither the PFN lines nor "),
        ("memory_block", "block_size_bytes", "the size of a memory block is unknown in x.spo: there is no /sys/"),
    ],
)
def test_an_unknown_size(tmp_path: Path, name: str, file: str, message: str) -> None:
    # GIVEN a capture without the file, whose PFN lines have pageblock 0 only
    files = {**MACHINE, "page_owner": page() + page(0x108, 3), "swap_page_owner": entry(1)}
    del files[file]
    snap = snapshot_of(tmp_path, files)
    # THEN the place of all memory is unknown, and nothing is selected by it
    assert found(attribute(snap, name), name) == {"?": (9, 0), "-": (None, 1)}
    (note,) = key_notes(snap, Question.of(name))
    assert note.text == "The " + message.removeprefix("the ").split(" in x.spo")[0] + note.text.partition("unknown")[2]
    assert message.partition(": ")[2] in note.text
    with pytest.raises(SpoTraceError) as caught:
        attribute(snap, [], where=f"{name} > 0")
    assert caught.value.message.startswith(message)
    assert caught.value.hint is not None and "pfn_range_128M" in caught.value.hint


@pytest.mark.parametrize(
    "name", ["pfn_range", "pfn_range_", "pfn_range_3M", "pfn_range_64", "pfn_range_0M", "pfn_range_8192T"]
)
def test_a_range_without_a_valid_size(snap: Snapshot, name: str) -> None:
    for by, where in ((name, None), ("comm", f"{name} == 0")):
        with pytest.raises(UsageError, match=f"'{name}' has no size that is a power of two"):
            attribute(snap, by, where=where)


def test_a_range_is_not_smaller_than_a_page(tmp_path: Path) -> None:
    snap = snapshot_of(tmp_path, {**MACHINE, "page_owner": page(), "pagesize": b"65536\n"})
    with pytest.raises(UsageError, match="pfn_range_16K is smaller than a page, which has 65,536 bytes"):
        attribute(snap, "pfn_range_16K")


@pytest.mark.parametrize("pfn", [1 << 40, (1 << 63) - 1])
def test_a_pfn_that_no_machine_has_is_nowhere(tmp_path: Path, pfn: int) -> None:
    snap = snapshot_of(tmp_path, {**MACHINE, "page_owner": page(0x200, 10) + page(pfn)})
    assert attribute(snap, "pageblock")[["pageblock", "mem_pages"]].fillna(-1).to_numpy().tolist() == [
        [1, 512],
        [2, 512],
        [-1, 1],
    ]


def test_the_number_of_parts_is_limited(snap: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MAX_SPLIT_ROWS", 4)
    assert len(attribute(snap, "pageblock")) == 10
    monkeypatch.setattr(places, "MAX_SPLIT_ROWS", 3)
    with pytest.raises(SpoTraceError, match="by pageblock, the allocations have more than 3 parts"):
        attribute(snap, "pageblock")


def test_pages_have_the_place_of_their_head(snap: Snapshot) -> None:
    api = open_snapshot(snap)
    assert api.pages["pageblock"].tolist() == [4, 2, 0x3F, 0x40, pd.NA]
    assert api.pages["memory_block"].tolist() == [0, 0, 0, 1, pd.NA]
    assert api.swap["pageblock"].isna().all()


@pytest.mark.parametrize("name", ["6.1-stock-2n", "7.2-spo-1n", "7.2-spo-full-2n", "7.2-spo-arm64-4k"])
def test_pageblocks_are_those_that_the_kernel_printed(name: str) -> None:
    # GIVEN a real kernel's text with the number of each page's block
    snap = open_snapshot(KINDS / name)
    order = snap.meta.machine.pageblock_order
    assert order is not None
    expected = block_pages(read(KINDS / name, "page_owner"), order)
    # THEN each block has the same pages, and is mixed if it is for the kernel
    table = attribute(snap, "pageblock")
    assert dict(zip(table["pageblock"], table["mem_pages"], strict=True)) == {
        block: pages.pages for block, pages in expected.items()
    }
    types = attribute(snap, ["pageblock", "migratetype", "pageblock_migratetype"])
    mixed = set(types["pageblock"][types["migratetype"] != types["pageblock_migratetype"]])
    assert mixed == {block for block, pages in expected.items() if pages.mixed}
