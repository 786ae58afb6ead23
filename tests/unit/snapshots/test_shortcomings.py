# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a snapshot lacks, in words."""

from typing import Any

import pytest

from spo_trace.formats.reasons import MARKS, Reason
from spo_trace.snapshots.shortcomings import shortcomings


def texts_of(**counts: Any) -> list[str]:
    return list(shortcomings({"warnings": [], "files": {"page_owner": {"records": 7, **counts}}}))


@pytest.mark.parametrize(
    "reasons",
    [{"cut_off": {"text": "any words", "number": 1}}, {"the record is cut off: it has no empty line at its end": 1}],
    ids=["version 3", "version 2"],
)
def test_a_record_that_is_cut_off_is_found_by_its_code(reasons: dict[str, Any]) -> None:
    assert texts_of(reasons=reasons) == ["page_owner: a record is cut off: is the text complete?"]


def test_other_reasons_are_no_cut() -> None:
    assert texts_of(reasons={"line": {"text": "the record is cut off", "number": 1}}) == []


def test_each_mark_is_said_once_with_its_count() -> None:
    marks = {code.value: {"text": code.text, "number": 1200} for code in (Reason.QUOTED, Reason.UTF_16)}
    assert texts_of(marks=marks) == [
        "page_owner: 1,200 lines quoted with '>' or '|'",
        "page_owner: 1,200 lines in UTF-16",
    ]


def test_where_the_text_comes_from() -> None:
    assert texts_of(note="read from x") == ["page_owner: read from x"]


def test_codes_are_stable_words() -> None:
    assert all(code.value.replace("_", "").isalnum() and code.value.islower() for code in Reason)
    assert len({code.text for code in Reason}) == len(Reason)
    assert Reason.CUT_OFF not in MARKS
