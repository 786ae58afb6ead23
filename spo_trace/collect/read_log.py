# SPDX-License-Identifier: LGPL-2.1-or-later
"""Count what is read of each kernel file: records, rejects, time; and report progress."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from spo_trace.errors import Argument, MalformedRecord
from spo_trace.formats.reasons import MARKS, Reason
from spo_trace.formats.record import Reject
from spo_trace.formats.text import KernelText
from spo_trace.snapshots.meta import FileCounts, skipped_text

__all__ = ["Progress", "ReadLog"]

Progress = Callable[[KernelText, FileCounts], None]


class ReadLog:
    """Keep the counts of each file; pass rejects on to `keep`, or raise the first one if `strict`.

    `keep` returns whether it kept the text, which is limited. `began`: `monotonic()` when the collection began, by
    default now.
    """

    def __init__(
        self, keep: Callable[[Reject], bool], *, strict: bool, progress: Progress | None, began: float | None = None
    ) -> None:
        self.files: dict[str, FileCounts] = {}
        self._started = monotonic() if began is None else began
        self._keep = keep
        self._strict = strict
        self._progress = progress

    @contextmanager
    def reading(self, text: KernelText) -> Iterator[FileCounts]:
        """Measure the reading of `text`; at the end, add what its source noted about it."""
        started = monotonic()
        counts = self.files.setdefault(text.name, FileCounts())
        counts.began = counts.began or round(started - self._started, 3)
        yield counts
        counts.seconds = round(counts.seconds + monotonic() - started, 3)
        outcome = text.outcome
        if outcome.began is not None and outcome.seconds is not None:
            counts.began, counts.seconds = outcome.began, outcome.seconds
        counts.skipped.update(outcome.skipped)
        counts.retried += outcome.retried
        counts.problem = outcome.problem
        counts.note = text.note
        counts.marks.update(outcome.marks)
        if self._strict and (outcome.problem or outcome.skipped):
            raise MalformedRecord(
                f"{text.name}: {outcome.problem or skipped_text(next(iter(outcome.skipped)))}", hint=_HINT
            )
        self.progress(text, counts)

    def progress(self, text: KernelText, counts: FileCounts) -> None:
        """Report how much of `text` is read."""
        if self._progress:
            self._progress(text, counts)

    def reject(self, reject: Reject) -> None:
        """Count a mark or a reject; also pass a reject on, or raise MalformedRecord if strict."""
        if reject.code in MARKS:
            counts = self._counts_of(reject.file)
            counts.marks[reject.code] += reject.number
            if reject.code is Reason.GOES_BACK:
                counts.back_at_line = counts.back_at_line or reject.line
            return
        if self._strict:
            raise MalformedRecord(_place(reject), hint=_HINT)
        counts = self._counts_of(reject.file)
        counts.malformed += reject.lost
        counts.notes += 0 if reject.lost else reject.number
        counts.reasons[reject.code] += reject.number
        counts.first_reject = counts.first_reject or _place(reject)
        counts.not_kept += not self._keep(reject)

    # Not setdefault(), which would make new counts for each of many rejects.
    def _counts_of(self, file: str) -> FileCounts:
        if file not in self.files:
            self.files[file] = FileCounts()
        return self.files[file]


def _place(reject: Reject) -> str:
    return f"{reject.file} line {reject.line} byte {reject.offset}: {reject.reason}"


_HINT = ("without ", Argument("strict"), " such records are counted and kept in rejects.txt")
