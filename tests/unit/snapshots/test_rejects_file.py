# SPDX-License-Identifier: LGPL-2.1-or-later
"""rejects.txt has a limited size, and says how much it does not contain."""

from pathlib import Path
from typing import BinaryIO

import pytest

from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import Reject
from spo_trace.limits import MAX_REJECT_BYTES, MAX_REJECTS_BYTES
from spo_trace.snapshots import rejects_file
from spo_trace.snapshots.rejects_file import RejectsFile


def written(directory: Path, texts: list[bytes]) -> tuple[list[bool], str]:
    """Write a reject of each text; return which were kept, and the file."""
    made: list[BinaryIO] = []

    def create(name: str) -> BinaryIO:
        made.append((directory / name).open("xb"))
        return made[-1]

    rejects = RejectsFile(create)
    kept = [rejects.add(Reject("page_owner", 9, 2, Reason.TS_RANGE, text, lost=True)) for text in texts]
    rejects.close()
    assert all(file.closed for file in made)
    path = directory / "rejects.txt"
    return kept, path.read_text() if path.exists() else ""


def test_without_rejects_there_is_no_file(tmp_path: Path) -> None:
    assert written(tmp_path, []) == ([], "")
    assert list(tmp_path.iterdir()) == []


def test_rejects_within_the_limit_are_all_there(tmp_path: Path) -> None:
    kept, text = written(tmp_path, [b"a", b"b\nc"])
    head = "# page_owner line 2 byte 9: ts is out of range (record lost)\n"
    assert (kept, text) == ([True, True], f"{head}a\n{head}b\nc\n")


def test_the_first_ones_are_kept_and_the_others_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejects_file, "MAX_REJECTS", 3)
    kept, text = written(tmp_path, [b"%d" % number for number in range(1500)])
    assert kept == [True] * 3 + [False] * 1497
    assert text.splitlines()[1::2] == ["0", "1", "2"]
    assert text.splitlines()[-1] == "# 1,497 more were counted, but are not kept here"


def test_the_size_is_limited_however_many_bytes_an_escape_takes(tmp_path: Path) -> None:
    kept, text = written(tmp_path, [b"\0" * MAX_REJECT_BYTES] * 500 + [b"short"])
    assert MAX_REJECTS_BYTES - 5 * MAX_REJECT_BYTES < len(text) <= MAX_REJECTS_BYTES + 100
    # After the first that does not fit, none is kept: what is there is the beginning.
    number = kept.index(False)
    assert not any(kept[number:])
    assert text.endswith(f"\n# {501 - number} more were counted, but are not kept here\n")


def test_of_a_huge_reject_the_beginning_is_kept(tmp_path: Path) -> None:
    _, text = written(tmp_path, [b"x" * (MAX_REJECT_BYTES + 5000)])
    assert text.splitlines()[1:] == ["x" * MAX_REJECT_BYTES, "# 5,000 more bytes of it are not kept here"]
