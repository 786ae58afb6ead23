# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owners out of memory that nothing was compared with: reports say so."""

import json
from pathlib import Path

import pytest

from spo_trace.analysis.notes import NoteCode
from spo_trace.analysis.snapshot_notes import not_compared_notes
from spo_trace.snapshots.reader import Snapshot
from tests.support import MACHINE, page, snapshot_of

WHY = "/d/page_owner cannot be read: Operation not permitted"


@pytest.mark.parametrize(
    ("method", "compared", "noted"), [("memory", None, True), ("memory", 48, False), ("text", None, False)]
)
def test_only_memory_that_was_not_compared_is_noted(
    tmp_path: Path, method: str, compared: int | None, noted: bool
) -> None:
    path = snapshot_of(tmp_path, {**MACHINE, "page_owner": page()}).path
    values = json.loads((path / "snapshot.json").read_text())
    values |= {"method": method, "compared": compared, "method_why": WHY}
    (path / "snapshot.json").write_text(json.dumps(values))
    notes = list(not_compared_notes(Snapshot(path)))
    assert [note.code for note in notes] == ([NoteCode.NOT_COMPARED] if noted else [])
    assert all(WHY in note.text for note in notes)
