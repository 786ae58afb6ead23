# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counts of each kernel file, and errors with --strict."""

from collections import Counter
from collections.abc import Callable

import pytest

from spo_trace.collect.read_log import ReadLog
from spo_trace.errors import MalformedRecord
from spo_trace.formats.reasons import Reason, Skipped
from spo_trace.formats.record import Reject
from spo_trace.formats.text import Chunks, KernelText, Outcome
from spo_trace.snapshots.meta import FileCounts, skipped_text

LOST = Reject("page_owner", 70, 3, Reason.FIRST_LINE, b"x", lost=True)
NOTED = Reject("page_owner", 99, 5, Reason.LINE, b"y", lost=False)
HINT = "without strict such records are counted and kept in rejects.txt"


def keeper(kept: list[Reject], most: int = 10) -> Callable[[Reject], bool]:
    """Return a function that keeps the first rejects."""

    def keep(reject: Reject) -> bool:
        if len(kept) == most:
            return False
        kept.append(reject)
        return True

    return keep


def test_times() -> None:
    counts = FileCounts()
    assert (counts.oldest_ts_nsec, counts.newest_ts_nsec) == (None, None)
    for oldest, newest in ((5, 9), (7, 8), (3, 4), (6, 12)):
        counts.include_times(oldest, newest)
    assert (counts.oldest_ts_nsec, counts.newest_ts_nsec) == (3, 12)


def test_lost_records_and_notes_are_counted_separately() -> None:
    kept: list[Reject] = []
    log = ReadLog(keeper(kept, most=2), strict=False, progress=None)
    for reject in (NOTED, LOST, LOST, NOTED._replace(number=5)):
        log.reject(reject)
    counts = log.files["page_owner"]
    assert (counts.malformed, counts.notes, counts.not_kept) == (2, 6, 2)
    assert counts.reasons == {Reason.LINE: 6, Reason.FIRST_LINE: 2}
    assert counts.first_reject == "page_owner line 5 byte 99: line not understood"
    assert kept == [NOTED, LOST]


def test_problems_of_the_source_are_recorded() -> None:
    told: list[tuple[str, int]] = []
    log = ReadLog(
        lambda reject: True, strict=False, progress=lambda text, counts: told.append((text.name, counts.records))
    )
    text = KernelText("page_owner", Chunks(()), outcome=Outcome("reading failed: x", skipped={"too large": 2}))
    with log.reading(text) as counts:
        counts.records += 7
    assert told == [("page_owner", 7)]
    found = log.files["page_owner"]
    assert (found.records, found.skipped, found.problem) == (7, {"too large": 2}, "reading failed: x")


def test_marks_are_counted_but_not_stored_or_raised() -> None:
    kept: list[Reject] = []
    log = ReadLog(keeper(kept), strict=True, progress=None)
    for number in (1, 5):
        log.reject(Reject("page_owner", 0, 1, Reason.CR_LF, b"", lost=False, number=number))
    assert log.files == {"page_owner": FileCounts(marks=Counter(cr_lf=6))}
    assert kept == []


@pytest.mark.parametrize("reject", [LOST, NOTED])
def test_strict_raises_the_first_reject(reject: Reject) -> None:
    kept: list[Reject] = []
    log = ReadLog(keeper(kept), strict=True, progress=None)
    with pytest.raises(MalformedRecord) as caught:
        log.reject(reject)
    assert caught.value.message == f"page_owner line {reject.line} byte {reject.offset}: {reject.reason}"
    assert (caught.value.hint, caught.value.exit_code, kept) == (HINT, 1, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            KernelText("page_owner", Chunks(()), outcome=Outcome("reading the input failed: x")),
            "page_owner: reading the input failed: x",
        ),
        (KernelText("page_owner", Chunks(()), outcome=Outcome(skipped={"too large": 2})), "page_owner: too large"),
    ],
)
def test_strict_raises_losses_of_the_source(text: KernelText, message: str) -> None:
    log = ReadLog(lambda reject: True, strict=True, progress=None)
    with pytest.raises(MalformedRecord) as caught, log.reading(text):
        pass
    assert (caught.value.message, caught.value.hint) == (message, HINT)


def test_strict_accepts_complete_text() -> None:
    log = ReadLog(lambda reject: True, strict=True, progress=None)
    with log.reading(KernelText("page_owner", Chunks(()))) as counts:
        counts.records = 1
    assert log.files["page_owner"].records == 1


def test_causes_of_skipped_records_are_shown_as_text() -> None:
    # GIVEN records that the kernel could not return, and reads that were repeated
    text = KernelText("page_owner", Chunks(()), outcome=Outcome(skipped={Skipped.TOO_LARGE: 2}, retried=3))
    log = ReadLog(lambda _: True, strict=False, progress=None)
    with log.reading(text):
        pass
    # THEN the snapshot has codes, and the user gets sentences; a cause of an older snapshot is a sentence already
    counts = log.files["page_owner"]
    assert (counts.skipped, counts.retried) == ({"too_large": 2}, 3)
    assert skipped_text("too_large") == "record larger than the kernel's buffer (ENOMEM)"
    assert skipped_text("another sentence") == "another sentence"
    log = ReadLog(lambda _: True, strict=True, progress=None)
    with (
        pytest.raises(MalformedRecord, match=r"^page_owner: record larger than the kernel's buffer"),
        log.reading(text),
    ):
        pass
