# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pages with placeholder stacks: counts by cause, and notes where they affect a report."""

from pathlib import Path

import pytest

import spo_trace as spo
from spo_trace.analysis.attribution import attribute
from spo_trace.analysis.notes import Note, NoteCode
from spo_trace.analysis.placeholder_stacks import placeholder_pages
from spo_trace.analysis.question import Question
from spo_trace.analysis.snapshot_notes import snapshot_notes
from spo_trace.analysis.totals import totals
from spo_trace.snapshots.reader import Snapshot
from spo_trace.stacks.placeholders import Placeholder
from tests.support import CARRIED, FS, MACHINE, entry, page, snapshot_of

INIT = b"init_page_owner+0x1/0x2"
EARLY = (b"register_early_stack+0x1/0x2", INIT)
DUMMY = (b"register_dummy_stack+0x1/0x2", INIT)
FAILURE = (b"register_failure_stack+0x1/0x2", INIT)


def snapshot(tmp_path: Path, pages: bytes, swap: bytes = b"") -> Snapshot:
    return snapshot_of(tmp_path, {**MACHINE, "page_owner": pages, "swap_page_owner": swap})


def notes_of(snap: Snapshot) -> list[Note]:
    return snapshot_notes(snap, Question.of([]), totals(attribute(snap, Question.of([]))))


def test_pages_are_counted_by_cause(tmp_path: Path) -> None:
    pages = page(stack=EARLY) + page(0x200, 1, stack=DUMMY) + page(0x300, 2, stack=FAILURE) + page(0x400, 3)
    snap = snapshot(tmp_path, pages, entry(1, stack=FAILURE))
    assert placeholder_pages(snap) == {Placeholder.EARLY: 1, Placeholder.DUMMY: 2, Placeholder.FAILURE: 5}
    assert placeholder_pages(snapshot(tmp_path / "none", page())) == {}


def test_early_pages_are_early_boot(tmp_path: Path) -> None:
    snap = snapshot(tmp_path, page(stack=EARLY))
    assert snap.stacks["category"].tolist() == ["early boot"]
    assert notes_of(snap) == []


def test_lost_owners_are_a_warning_with_the_number_of_pages(tmp_path: Path) -> None:
    (note,) = notes_of(snapshot(tmp_path, page(order=9, stack=FS) + page(0x400, 1, stack=FAILURE)))
    assert (note.code, note.warning) == (NoteCode.OWNERS_LOST, True)
    said = "The owners of 2 pages (8.00 KiB) are lost: the kernel's stack depot was full or out of memory"
    assert note.text == said


@pytest.mark.parametrize(("others", "told"), [(99, False), (98, True)])
def test_many_pages_without_a_stack_trace_are_a_warning(tmp_path: Path, others: int, told: bool) -> None:
    # GIVEN one such page among 100, or among 99
    pages = b"".join(page(n, stack=FS) for n in range(others)) + page(0x400, stack=DUMMY)
    notes = notes_of(snapshot(tmp_path, pages))
    assert [note.code for note in notes if note.warning] == ([NoteCode.NO_STACK_TRACES] if told else [])
    assert not told or notes[0].text.startswith(
        "1 page (1.0%) without a stack trace: allocated by page_owner for itself, or"
    )


@pytest.mark.parametrize("stage", ["7.2-spo/2-swapped", "7.2-stock/2-swapped"])
def test_real_kernels_have_few_and_cause_no_warning(stage: str, tmp_path: Path) -> None:

    snap = spo.open(CARRIED / stage, page_columns=["order", "stack_id", "page_flag_names"])
    found = placeholder_pages(snap)
    assert found[Placeholder.EARLY] == 2373 and 0 < found[Placeholder.DUMMY] < 100
    assert Placeholder.FAILURE not in found
    assert not any(note.warning for note in notes_of(snap))
