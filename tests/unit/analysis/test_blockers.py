# SPDX-License-Identifier: LGPL-2.1-or-later
"""Blockers: which pages are unmovable, and how much memory each owner's pages block, alone and with others."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import spo_trace as spo
from spo_trace.analysis.blocker_notes import blocker_notes
from spo_trace.analysis.blockers import BLOCKER_ORDERS, UNMOVABLE, Purpose, find_blockers
from spo_trace.analysis.notes import NoteCode
from spo_trace.analysis.question import Question
from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.snapshots.reader import Snapshot
from tests.oracle.blocks import block_pages
from tests.oracle.captures import read
from tests.support import CARRIED, MACHINE, entry, page, snapshot_of

KINDS = CARRIED.parent / "captures-kinds"
NAMES = ["6.1-stock-2n", "7.2-spo-1n", "7.2-spo-full-2n", "7.2-spo-arm64-4k"]
SIZE = 512 * 4096
REST = SIZE - 4096


def text(*records: bytes) -> bytes:
    return b"".join(records)


@pytest.fixture(scope="module")
def snap(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Return a snapshot of seven pageblocks, from 1 on."""
    records = text(
        # 1: cat alone
        page(0x200),
        page(0x208, 1, b"cat", flags=b""),
        # 2: cat and dd
        page(0x400, 0, b"cat", flags=b""),
        page(0x401, 0, flags=b""),
        # 3: movable
        page(0x600, 3),
        # 4 and 5: all of them are unmovable
        page(0x800, 10, b"cat", flags=b""),
        # 6: dd, in a block of CMA
        page(0xC00, 0, flags=b"").replace(b"Block 6 type Movable", b"Block 6 type CMA"),
        # 7: on no LRU list, but allocated with __GFP_MOVABLE
        page(0xE00, 0, flags=b"").replace(b"mask 0xcc0(GFP_KERNEL)", b"mask 0xcca(GFP_HIGHUSER_MOVABLE)"),
    )
    files = {**MACHINE, "page_owner": records, "swap_page_owner": entry(1)}
    return snapshot_of(tmp_path_factory.mktemp("snap"), files)


def rows(table: pd.DataFrame) -> list[list[object]]:
    return table.drop(columns="key_known", errors="ignore").to_numpy().tolist()


def test_owners_by_what_they_block(snap: Snapshot) -> None:
    assert (
        rows(spo.blockers(snap, "comm"))
        == [
            ["cat", 3, 2, (510 + 510) * 4096, 1, 510 * 4096],
            ["dd", 2, 2, (511 + 510) * 4096, 1, 511 * 4096],
        ][::-1]
    )


def test_fewer_pages_come_first_if_they_block_as_much(tmp_path: Path) -> None:
    records = text(page(0x200, 0, b"a", flags=b""), page(0x208, 1, b"b", flags=b""))
    snap = snapshot_of(tmp_path, {**MACHINE, "page_owner": records})
    assert rows(spo.blockers(snap, "comm")) == [["a", 1, 1, 509 * 4096, 0, 0], ["b", 2, 1, 509 * 4096, 0, 0]]


@pytest.mark.parametrize("by", ["pageblock", "stack", ["comm", "pageblock"], [], "pfn_range_1M"])
def test_unmovable_pages_are_the_same_for_all_keys(snap: Snapshot, by: str | list[str]) -> None:
    assert spo.blockers(snap, by)["unmovable_pages"].sum() == 5


def test_blocks_with_fewest_pages_come_first(snap: Snapshot) -> None:
    assert rows(spo.blockers(snap, "pageblock")) == [
        [6, 1, 1, REST, 1, REST],
        [1, 2, 1, 510 * 4096, 1, 510 * 4096],
        [2, 2, 1, 510 * 4096, 1, 510 * 4096],
    ]


def test_cma_and_offline(snap: Snapshot) -> None:
    assert rows(spo.blockers(snap, "comm", for_="cma")) == [["dd", 1, 1, REST, 1, REST]]
    pages = 2 + 1 + 1 + 1024 + 1
    rest = (1 << 27) - pages * 4096
    assert rows(spo.blockers(snap, "memory_block", for_="offline")) == [[0, pages, 1, rest, 1, rest]]


def test_a_condition_selects_among_unmovable_pages(snap: Snapshot) -> None:
    # dd is not alone in block 2, although no page of cat is selected.
    expected = [["dd", 2, 2, (511 + 510) * 4096, 1, 511 * 4096]]
    assert rows(spo.blockers(snap, "comm", where="comm == 'dd'")) == expected
    assert rows(spo.blockers(snap, "comm", where="comm == 'dd' or order == 9")) == expected
    assert spo.blockers(snap, "comm", where="comm == 'nobody'").empty


def test_orders(snap: Snapshot) -> None:
    for sort, first in {"pages": "cat", "alone": "dd", "comm": "cat", "blocked": "dd"}.items():
        question = Question.of("comm", sort=sort, orders=BLOCKER_ORDERS)
        assert find_blockers(snap, question, Purpose.HUGEPAGE).table["comm"].iloc[0] == first


def test_sums_count_each_block_once(snap: Snapshot) -> None:
    found = find_blockers(snap, Question.of("comm"), Purpose.HUGEPAGE)
    assert found[1:] == (5, 3, (510 + 510 + 511) * 4096)
    (note,) = blocker_notes(snap, found, Purpose.HUGEPAGE)
    assert note.text.startswith("Total: 5 unmovable pages in 3 pageblocks of 2.00 MiB, which have 5.98 MiB besides")


def test_reserved_and_poisoned_pages(tmp_path: Path) -> None:
    records = text(page(0x200, flags=b"lru|reserved"), page(0x400, flags=b"hwpoison"), page(0x600, flags=b"lru"))
    snap = snapshot_of(tmp_path, {**MACHINE, "page_owner": records})
    assert spo.blockers(snap, "pageblock")["pageblock"].tolist() == [1, 2]
    assert spo.blockers(snap, [], for_="offline")["unmovable_pages"].tolist() == [1]


def test_the_last_block_of_a_machine_is_incomplete(tmp_path: Path) -> None:
    zone = (
        b"Node 0, zone   Normal\n  pages free     9\n        spanned  608\n        present  608\n        managed  608\n"
    )
    files = {**MACHINE, "page_owner": page(0x200, flags=b""), "zoneinfo": zone + b"  start_pfn:  1\n"}
    assert spo.blockers(snapshot_of(tmp_path, files), [])["blocked_bytes"].tolist() == [(609 - 512 - 1) * 4096]


def test_nothing_blocks(tmp_path: Path) -> None:
    snap = snapshot_of(tmp_path, {**MACHINE, "page_owner": page(0x200)})
    for purpose in Purpose:
        found = find_blockers(snap, Question.of("comm"), purpose)
        assert (len(found.table), *found[1:]) == (0, 0, 0, 0)
        (note,) = blocker_notes(snap, found, purpose)
        assert note.code is NoteCode.NO_BLOCKERS
        assert ("has no CMA" in note.text) == (purpose is Purpose.CMA)


def test_what_cannot_be_answered(tmp_path: Path) -> None:
    alone = {"page_owner": page(), **{name: MACHINE[name] for name in ("uname", "pagesize")}}
    with pytest.raises(SpoTraceError, match="the size of a memory block is unknown"):
        spo.blockers(snapshot_of(tmp_path, alone, name="a"), for_="offline")
    swap = snapshot_of(tmp_path, {**MACHINE, "swap_page_owner": entry(1)}, name="b")
    with pytest.raises(SpoTraceError, match="the owners of memory are unknown"):
        spo.blockers(swap)
    with pytest.raises(UsageError, match="for_ must be one of hugepage, cma, offline, not 'x'"):
        spo.blockers(swap, for_="x")


@pytest.mark.parametrize("name", NAMES)
def test_blocks_are_those_that_awk_finds(name: str) -> None:
    # GIVEN real kernels' text
    snap = spo.open(KINDS / name)
    order = snap.meta.machine.pageblock_order
    assert order is not None
    expected = {block: found.unmovable for block, found in block_pages(read(KINDS / name, "page_owner"), order).items()}
    # THEN the pages in each block are those that awk counts; blocks that are full of them block nothing
    table = spo.blockers(snap, "pageblock")
    assert len(table) >= 6
    assert dict(zip(table["pageblock"], table["unmovable_pages"], strict=True)) == {
        block: pages for block, pages in expected.items() if 0 < pages < 1 << order
    }


# Bits of /proc/kpageflags (include/uapi/linux/kernel-page-flags.h).
LRU, BUDDY, HUGE, RESERVED = 5, 10, 17, 32


@pytest.mark.parametrize("name", NAMES)
def test_unmovable_pages_are_those_of_the_kernel(name: str) -> None:
    # GIVEN the flags of all pages, read before and after page_owner
    flags = [np.frombuffer(read(KINDS / name, f"kpageflags-{when}"), "<u8") for when in ("before", "after")]
    snap = spo.open(KINDS / name)
    pages = snap.pages
    heads = pages["pfn"].to_numpy(np.int64)

    def bit(words: "np.typing.NDArray[np.uint64]", number: int) -> "np.typing.NDArray[np.bool_]":
        return np.array(words[heads] >> np.uint64(number) & np.uint64(1), np.bool_)

    # WHEN the kernel's rule (page_is_unmovable()) is applied to them
    kernel = [bit(words, RESERVED) | ~(bit(words, LRU) | bit(words, HUGE) | bit(words, BUDDY)) for words in flags]
    steady = kernel[0] == kernel[1]
    table = spo.attribute(snap, "pfn", where=UNMOVABLE)
    mine = pages["pfn"].isin(table["pfn"]).to_numpy()
    # THEN it says the same of all but a few pages, on which it is about to change: they wait for an LRU list, or are
    # those of zram and zswap, which have movable_ops
    different = pages[steady & (mine != kernel[0])]
    assert (~mine[steady & (mine != kernel[0])]).all()
    assert set(different["category"]) <= {"anon", "block", "tmpfs/shmem"}
    assert len(different) <= 40 < int((kernel[0] & steady).sum())
