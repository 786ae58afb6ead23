# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a snapshot lacks, as sentences."""

import re
from collections import Counter
from typing import Any

import pytest

from spo_trace.analysis.shortcomings import shortcomings
from spo_trace.cli.messages import for_command_line
from spo_trace.errors import spelled
from spo_trace.formats.reasons import MARKS, Reason
from spo_trace.snapshots.meta import FileCounts, MachineFacts, Meta, SourceFacts
from spo_trace.snapshots.page_size import PageSizeFrom

MACHINE = MachineFacts(4096, PageSizeFrom.PAGESIZE)


def texts_of(records: int = 7, **counts: Any) -> list[str]:
    """Return the sentences on a page_owner with these counts."""
    files = {"page_owner": FileCounts(records=records, **counts)}
    return [spelled(text) for text in shortcomings(Meta(3, MACHINE, files=files))]


def test_a_record_that_is_cut_off_is_found_by_its_code() -> None:
    assert texts_of(reasons=Counter(cut_off=1)) == ["page_owner: a record is cut off: is the text complete?"]
    assert texts_of(reasons=Counter(line=1)) == []


def test_each_mark_is_reported_once_with_its_count() -> None:
    assert texts_of(marks=Counter({Reason.QUOTED: 1200, Reason.UTF_16: 1200, "of_a_later_release": 1})) == [
        "page_owner: 1,200 lines quoted with '>' or '|'",
        "page_owner: 1,200 lines in UTF-16",
        "page_owner: 1 of_a_later_release",
    ]


def test_one_and_many() -> None:
    counts = ("malformed", "notes", "not_kept", "retried", "repeated", "overlapping", "unnumbered")
    one, many = (texts_of(records=0, first_reject="x", **dict.fromkeys(counts, number)) for number in (1, 2))
    assert len(one) == len(many) == 7
    for text in one:
        assert not re.search(r"\b1 (?:lines|records|rejects|reads)\b|\b1 \w+ (?:are|were|have)\b", text), text
    assert "1 of 1 record is malformed and set aside" in one[0]
    assert any("2 reads were repeated" in text for text in many)


@pytest.mark.parametrize("mark", sorted(MARKS - {Reason.GOES_BACK}))
def test_a_mark_of_one_line_or_record_has_no_plural(mark: Reason) -> None:
    (text,) = texts_of(marks=Counter({mark: 1}))
    noun = text.removeprefix("page_owner: 1 ").partition(" with")[0].partition(" of ")[0].partition(" in ")[0]
    assert not re.search(r"\b(?:lines|records)\b", noun)
    # AND what is said of it holds of one and of many
    assert not re.search(r"\b(?:their|them|end in)\b", text)


def test_losses_notes_and_problems() -> None:
    assert texts_of(malformed=3, notes=1, first_reject="line 1", problem="it ends early", skipped={"too large": 2}) == [
        "page_owner: 3 of 10 records are malformed and set aside (a snapshot keeps them in rejects.txt; first: line 1)",
        "page_owner: 1 line was not understood and set aside; its record is kept"
        " (a snapshot keeps them in rejects.txt; first: line 1)",
        "page_owner: it ends early; the text before it was read",
        "page_owner: at least 2 skipped: too large",
    ]
    assert texts_of(note="read from x") == ["page_owner: read from x"]


def test_an_archive_that_is_cut_off() -> None:
    meta = Meta(3, MACHINE, source=SourceFacts("capture", cut_off="the end of the archive is missing"), warnings=["w"])
    assert list(shortcomings(meta)) == [
        "w",
        "the capture is cut off, and files may be missing: the end of the archive is missing",
    ]


def test_an_assumed_page_size_names_the_argument_in_each_front_ends_terms() -> None:
    (text,) = shortcomings(Meta(3, MachineFacts(4096, PageSizeFrom.ASSUMED)))
    assert "; give page_size (getconf PAGESIZE" in spelled(text)
    assert "; give --page-size (getconf PAGESIZE" in for_command_line(text)
    # The stored warnings of older versions include it.
    assert list(shortcomings(Meta(2, MachineFacts(4096, PageSizeFrom.ASSUMED), warnings=["w"]))) == ["w"]


def test_codes_are_stable_words() -> None:
    assert all(code.value.replace("_", "").isalnum() and code.value.islower() for code in Reason)
    assert len({code.text for code in Reason}) == len(Reason)
    assert Reason.CUT_OFF not in MARKS
