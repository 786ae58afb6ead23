# SPDX-License-Identifier: LGPL-2.1-or-later
"""The pages whose stack is in both of two snapshots, and by what it was matched."""

from pathlib import Path

import pytest

from spo_trace.analysis.diff import relate
from spo_trace.analysis.diff_notes import matched_notes
from spo_trace.analysis.matched_stacks import matched_pages
from spo_trace.analysis.notes import NoteCode
from spo_trace.api.analyses import diff
from spo_trace.snapshots.reader import Snapshot
from tests.support import ANON, FS, MACHINE, SHMEM, Files, entry, page, snapshot_of

OTHER = b"Linux box 6.12.0 #1 SMP x86_64\n"
REBUILT = b"Linux box 7.2.13 #2 SMP Mon x86_64\n"
MATCHED = "have a stack that is in both, matched by"
# ANON on a release in which one of its functions was split.
SPLIT = (*ANON[:2], b"alloc_anon_folio+0x1/0x2", *ANON[2:])


def pair(tmp_path: Path, a: bytes, b: bytes, **changed: bytes) -> tuple[Snapshot, Snapshot]:
    """Return two snapshots with these pages, the second one with the files `changed`."""
    files: Files = {**MACHINE, "swap_page_owner": b""}
    first = snapshot_of(tmp_path, {**files, "page_owner": a}, name="a")
    return first, snapshot_of(tmp_path, {**files, "page_owner": b, **changed}, name="b")


def test_pages_of_stacks_that_both_have(tmp_path: Path) -> None:
    # GIVEN 4 + 2 pages of a stack in both, and 8 and 2 pages of stacks in only one of them
    both = pair(tmp_path, page(order=2) + page(0x200, 3, stack=FS), page(order=1) + page(0x200, 1, stack=SHMEM))
    assert matched_pages(diff(*both, "stack"), *both) == (6, 16)
    # THEN other keys and the order of rows do not matter, and swap is included
    assert matched_pages(diff(*both, ["comm", "stack", "order"], sort="shrink"), *both) == (6, 16)
    swap = pair(tmp_path / "s", page(), page(), swap_page_owner=entry(1) + entry(2))
    assert matched_pages(diff(*swap, "stack"), *swap) == (2, 4)


def test_without_stacks_there_is_nothing_to_match(tmp_path: Path) -> None:
    both = pair(tmp_path, page(), page())
    assert matched_pages(diff(*both, ["comm", "caller"]), *both) is None
    assert matched_pages(diff(*both, "stack", where="order > 9"), *both) is None


def test_machines_of_two_page_sizes_are_compared_by_pages(tmp_path: Path) -> None:
    both = pair(tmp_path, page() + page(0x200, stack=FS), page(), uname=OTHER, pagesize=b"65536\n")
    assert matched_pages(diff(*both, "stack"), *both) == (2, 3)


FEW = f"Only 0.0% of the pages (0 of 2) {MATCHED}"
MORE = "the kernels' functions differ too much; "


@pytest.mark.parametrize(
    ("uname", "match", "stack", "warning", "text"),
    [
        (
            OTHER,
            "auto",
            SPLIT,
            False,
            f"100.0% of the pages (2 of 2) {MATCHED} the innermost functions that both kernels have",
        ),
        (
            OTHER,
            "auto",
            FS,
            True,
            f"{FEW} the innermost functions that both kernels have: {MORE}compare by category or comm",
        ),
        (OTHER, "symbols", SPLIT, True, f"{FEW} function names: {MORE}match stacks by common functions"),
        (REBUILT, "auto", ANON, False, f"100.0% of the pages (2 of 2) {MATCHED} function names"),
        (REBUILT, "auto", SPLIT, True, f"{FEW} function names: {MORE}match stacks by common functions"),
        (OTHER, "exact", SPLIT, True, f"{FEW} frames with offsets: {MORE}match stacks by common functions"),
        # One kernel: few matches mean that different memory was allocated, not that the comparison is bad.
        (MACHINE["uname"], "auto", SPLIT, False, f"0.0% of the pages (0 of 2) {MATCHED} frames with offsets"),
    ],
)
def test_the_note_tells_how_many_pages_matched_by_what(
    tmp_path: Path, uname: bytes, match: str, stack: tuple[bytes, ...], warning: bool, text: str
) -> None:
    both = pair(tmp_path, page(), page(stack=stack), uname=uname)
    (note,) = matched_notes(diff(*both, "stack", match=match), *both, same_kernel=relate(*both).same_kernel)
    assert note == (NoteCode.STACKS_MATCHED, text, warning)
