# SPDX-License-Identifier: LGPL-2.1-or-later
"""What was read of each kernel file: records, rejects, time, and a word on it while it goes on."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from spo_trace.errors import Argument, MalformedRecord
from spo_trace.formats.reasons import MARKS, Reason
from spo_trace.formats.record import Reject, RejectSink
from spo_trace.formats.text import KernelText

__all__ = ["FileCounts", "Progress", "ReadLog"]


@dataclass(slots=True)
class FileCounts:
    """Count what was read of one kernel file; kept in snapshot.json, what is zero or unknown left out."""

    records: int = 0
    malformed: int = 0
    notes: int = 0
    reasons: Counter[Reason] = field(default_factory=Counter)
    marks: Counter[Reason] = field(default_factory=Counter)
    first_reject: str | None = None
    skipped: dict[str, int] = field(default_factory=dict)
    problem: str | None = None
    note: str | None = None
    began: float = 0.0
    seconds: float = 0.0
    oldest_ts_nsec: int | None = None
    newest_ts_nsec: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the counts as snapshot.json keeps them."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        values |= {"reasons": _with_texts(self.reasons), "marks": _with_texts(self.marks)}
        return {"records": self.records} | {name: value for name, value in values.items() if value}

    def see_times(self, oldest: int, newest: int) -> None:
        """Note the allocation times of some more records, in ns since boot."""
        self.oldest_ts_nsec = min(oldest, self.oldest_ts_nsec or oldest)
        self.newest_ts_nsec = max(newest, self.newest_ts_nsec or newest)


def _with_texts(numbers: Counter[Reason]) -> dict[str, dict[str, str | int]]:
    return {code.value: {"text": code.text, "number": number} for code, number in numbers.items()}


Progress = Callable[[KernelText, FileCounts], None]


class ReadLog:
    """Keep the counts of each file, and pass what can't be parsed on to `keep`, or raise it if `strict`."""

    def __init__(self, keep: RejectSink, *, strict: bool, progress: Progress | None) -> None:
        self.files: dict[str, FileCounts] = {}
        self._started = monotonic()
        self._keep = keep
        self._strict = strict
        self._progress = progress

    @contextmanager
    def reading(self, text: KernelText) -> Iterator[FileCounts]:
        """Count the reading of `text`; on leaving, note what its source has to say of it."""
        started = monotonic()
        counts = self.files.setdefault(text.name, FileCounts())
        counts.began = counts.began or round(started - self._started, 3)
        yield counts
        counts.seconds = round(counts.seconds + monotonic() - started, 3)
        outcome = text.outcome
        counts.skipped.update(outcome.skipped)
        counts.problem = outcome.problem
        counts.note = text.note
        counts.marks.update(outcome.marks)
        if self._strict and (outcome.problem or outcome.skipped):
            raise MalformedRecord(f"{text.name}: {outcome.problem or next(iter(outcome.skipped))}", hint=_HINT)
        self.progress(text, counts)

    def progress(self, text: KernelText, counts: FileCounts) -> None:
        """Tell whoever waits how far the reading of `text` is."""
        if self._progress:
            self._progress(text, counts)

    def reject(self, reject: Reject) -> None:
        """Count text that is marked or could not be parsed, and keep the latter."""
        if reject.code in MARKS:
            self.files.setdefault(reject.file, FileCounts()).marks[reject.code] += reject.number
            return
        where = f"{reject.file} line {reject.line} byte {reject.offset}: {reject.reason}"
        if self._strict:
            raise MalformedRecord(where, hint=_HINT)
        counts = self.files.setdefault(reject.file, FileCounts())
        counts.malformed += reject.lost
        counts.notes += not reject.lost
        counts.reasons[reject.code] += 1
        counts.first_reject = counts.first_reject or where
        self._keep(reject)


_HINT = ("without ", Argument("strict"), " such records are counted and kept in rejects.txt")
