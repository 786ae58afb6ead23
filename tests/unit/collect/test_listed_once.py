# SPDX-License-Identifier: LGPL-2.1-or-later
"""A page or a swap entry that is listed twice is counted once, as it is listed last."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spo_trace.analysis.attribution import attribute
from spo_trace.analysis.question import Question
from spo_trace.analysis.shortcomings import shortcomings
from spo_trace.collect import listed_once
from spo_trace.collect.snapshot import collect
from spo_trace.errors import spelled
from spo_trace.formats.reasons import Reason
from spo_trace.native import library
from spo_trace.snapshots import writer as writer_module
from spo_trace.snapshots.reader import Snapshot
from tests.support import MACHINE, FakeSource, entry, page

Span = tuple[int, int]


def collected(directory: Path, files: dict[str, bytes], **options: Any) -> Snapshot:
    """Return the snapshot of a source with these files."""
    return collect(FakeSource({**MACHINE, **files}), directory / "x.spo", force=True, **options)


def pages_of(snap: Snapshot) -> list[tuple[int, int, str]]:
    """Return the PFN, the order and the name of each row."""
    return [tuple(row) for row in snap.pages[["pfn", "order", "comm"]].to_numpy().tolist()]


def warnings_of(snap: Snapshot) -> list[str]:
    """Return the sentences on what the snapshot lacks."""
    return [spelled(text) for text in shortcomings(snap.meta)]


def test_a_text_that_is_there_twice(tmp_path: Path) -> None:
    first, second = (page(0x100, 0, name) + page(0x102, 1, name) + page(0x108, 3, name) for name in (b"a", b"b"))
    snap = collected(tmp_path, {"page_owner": first + second})
    # THEN the last record of each page is counted
    assert pages_of(snap) == [(0x100, 0, "b"), (0x102, 1, "b"), (0x108, 3, "b")]
    counts = snap.meta.files["page_owner"]
    line = 1 + first.count(b"\n")
    assert (counts.records, counts.repeated, counts.overlapping, counts.back_at_line) == (3, 3, 0, line)
    assert counts.marks == {Reason.GOES_BACK: 1}
    # AND the user is told
    told = "3 records are listed again later: the last record of each PFN is counted"
    assert warnings_of(snap) == [f"page_owner: the PFN goes back at line {line}, and {told}"]


def test_a_swap_entry_that_is_there_twice(tmp_path: Path) -> None:
    entries = [entry(number, ts=ts) for ts in (3, 4) for number in (1, 2)]
    snap = collected(tmp_path, {"page_owner": page(), "swap_page_owner": b"".join(entries)})
    assert snap.swap[["swp_entry", "ts_nsec"]].to_numpy().tolist() == [[1, 4], [2, 4]]
    assert snap.meta.files["swap_page_owner"].repeated == 2
    assert "the swap entry goes back at line" in warnings_of(snap)[0]


@pytest.mark.parametrize("more", [b"", page(0x50)])
def test_a_page_that_was_allocated_again_during_the_read(tmp_path: Path, more: bytes) -> None:
    # GIVEN a block that was freed after it was read, of which one page was allocated again; and a text in order or not
    text = page(0x100, 3, b"old") + page(0x103, 0, b"new") + page(0x108, 0, b"next") + more
    snap = collected(tmp_path, {"page_owner": text})
    # THEN the later record is counted, and no page counts twice
    assert pages_of(snap)[:2] == [(0x103, 0, "new"), (0x108, 0, "next")]
    counts = snap.meta.files["page_owner"]
    assert (counts.records, counts.repeated, counts.overlapping) == (2 + bool(more), 0, 1)
    assert warnings_of(snap) == ["page_owner: 1 record is not counted: later ones have some of the same pages"]


def test_parts_of_one_list_in_another_order(tmp_path: Path) -> None:
    snap = collected(tmp_path, {"page_owner": page(0x108, 3) + page(0x100, 3)})
    counts = snap.meta.files["page_owner"]
    assert (counts.records, counts.marks, warnings_of(snap)) == (2, {Reason.GOES_BACK: 1}, [])


def test_without_pfns_all_records_are_counted(tmp_path: Path) -> None:
    alone = page().partition(b"\n")[0] + b"\n\n"
    snap = collected(tmp_path, {"page_owner": alone * 3})
    counts = snap.meta.files["page_owner"]
    assert (counts.records, counts.repeated, counts.unnumbered) == (3, 0, 3)
    assert "page_owner: 3 records have no PFN: whether they are listed more than once is unknown" in warnings_of(snap)


def test_a_text_that_is_there_twice_around_records_without_pfns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN whole batches of records without PFNs
    monkeypatch.setattr("spo_trace.formats.batch._BATCH_ROWS", 2)
    monkeypatch.setattr(library, "load", lambda: None)
    first, second = (page(0x100, 0, name) + page(0x101, 0, name) for name in (b"a", b"b"))
    alone = (page().partition(b"\n")[0] + b"\n\n") * 5
    snap = collected(tmp_path, {"page_owner": first + alone + second})
    assert [row[2] for row in pages_of(snap) if row[2] != "dd"] == ["b", "b"]
    counts = snap.meta.files["page_owner"]
    assert (counts.records, counts.repeated, counts.unnumbered) == (7, 2, 5)


def test_with_few_columns(tmp_path: Path) -> None:
    text = (page(0x100, 1) + page(0x102)) * 2
    snap = collected(tmp_path, {"page_owner": text}, page_columns=["order", "stack_id", "comm"])
    table = attribute(snap, Question.of(by=["comm"]))
    assert table["mem_bytes"].tolist() == [3 * 4096]


BLOCKS = st.tuples(st.integers(0, 15), st.integers(0, 4)).map(lambda item: (item[0] >> item[1] << item[1], item[1]))


@given(st.lists(BLOCKS, min_size=1, max_size=12), st.sampled_from([1, 3, 1 << 18]), st.sampled_from([2, 1 << 22]))
@settings(deadline=None, max_examples=40)
def test_each_page_is_counted_once(
    tmp_path_factory: pytest.TempPathFactory, spans: Sequence[Span], row_group: int, part_rows: int
) -> None:
    # GIVEN any blocks in any order, WHEN row groups and parts are small or large
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer_module, "_ROW_GROUP", row_group)
        patch.setattr(listed_once, "_PART_ROWS", part_rows)
        patch.setattr(library, "load", lambda: None) if row_group == 1 else None
        text = b"".join(page(start, order, b"%d" % number) for number, (start, order) in enumerate(spans))
        snap = collected(tmp_path_factory.mktemp("once"), {"page_owner": text})
    # THEN those are left that no later one overlaps, in their order
    covered = [set(range(start, start + (1 << order))) for start, order in spans]
    kept = [n for n in range(len(spans)) if not any(covered[n] & later for later in covered[n + 1 :])]
    assert [int(name) for _, _, name in pages_of(snap)] == kept
    counts = snap.meta.files["page_owner"]
    assert (counts.records, counts.repeated + counts.overlapping) == (len(kept), len(spans) - len(kept))


def test_a_list_of_stacks_that_is_there_twice(tmp_path: Path) -> None:
    # GIVEN the kernel's counts at two times
    counts = [b" a+0x1/0x2\nnr_base_pages: %d\n\n b+0x1/0x2\nnr_base_pages: 5\n\n" % number for number in (3, 4)]
    handles = b" a+0x1/0x2\nhandle: 1\n\n" * 2
    snap = collected(tmp_path, {"page_owner": page(), "show_stacks": b"".join(counts), "show_stacks_handles": handles})
    # THEN the later one is used, and the user is told
    stacks = snap.stacks.set_index(snap.stacks["frames"].map("".join))["nr_base_pages"]
    assert (stacks["a+0x1/0x2"], stacks["b+0x1/0x2"]) == (4, 5)
    told = "listed again later: the last record of each stack is counted"
    assert warnings_of(snap) == [f"show_stacks_handles: 1 record is {told}", f"show_stacks: 2 records are {told}"]
