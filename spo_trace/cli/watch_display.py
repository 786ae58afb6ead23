# SPDX-License-Identifier: LGPL-2.1-or-later
"""Displays of watch: what all of them do with a sample."""

import re
import time
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from spo_trace.cli.messages import for_command_line
from spo_trace.cli.output import note, progress, warn
from spo_trace.cli.watch_history import Growth, History
from spo_trace.reporters.format import counted

if TYPE_CHECKING:
    from spo_trace.analysis.question import Question
    from spo_trace.collect.read_log import Progress
    from spo_trace.sampling.samples import Sample

__all__ = ["STACKS_MISSING", "Display"]

_NUMBER = re.compile(r"[\d,]+")

# Also the warning of trend on a recording.
STACKS_MISSING = (
    "stacks are missing, and so is their growth: since Linux 6.17.6, the kernel does not count stacks that were first"
    " allocated without __GFP_RECLAIM, such as most slab"
)


class Display:
    """Keep the samples from which growth is computed; `taken` is the number of samples shown.

    `asks`: the samples are asked further questions.
    """

    asks = False

    def __init__(self, question: "Question") -> None:
        self.taken = 0
        self._question = question
        self._history = History(question.keys)
        self._warned: set[str] = set()
        self._cut_noted = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def progress(self) -> "Progress | None":
        """Return a function that shows the progress of reading a sample."""
        return progress()

    def wait(self, seconds: float) -> None:
        """Wait for the next sample."""
        time.sleep(seconds)

    def show(self, sample: "Sample") -> None:
        """Show one more sample."""
        self._history.add(sample)
        self.taken += 1
        for text in _lacking(sample):
            # Once for all samples, even if the numbers in the text differ.
            if (kind := _NUMBER.sub("", text)) not in self._warned:
                self._warned.add(kind)
                self._warn(f"sample {sample.number}: {text}")
        for text in _notes(sample, self._question.keys):
            if text not in self._warned:
                self._warned.add(text)
                self._note(text)
        if self.taken == 1 and sample.method_reason == "counts-lack-stacks":
            self._remark("Each sample reads all records, because this kernel does not count every stack")
        self._draw(sample)

    def leave(self) -> None:
        """Finish the output after the last sample."""

    def _warn(self, text: str) -> None:
        warn(text)

    def _note(self, text: str) -> None:
        note(text)

    def _remark(self, text: str) -> None:
        note(text)

    def _draw(self, sample: "Sample") -> None:
        raise NotImplementedError

    # Once, even if --top cuts many samples.
    def _note_cut(self, left_out: int) -> None:
        if left_out and not self._cut_noted:
            self._cut_noted = True
            note(f"… {counted(left_out, 'more owner')}, left out of each sample: --top 0 shows all")

    def _growth(self) -> Growth:
        return self._history.growth(self._question.sort or "growth_delta", self._question.top or 0)


def _notes(sample: "Sample", keys: list[str]) -> Iterator[str]:
    from spo_trace.analysis.series_notes import series_notes

    yield from (one.text for one in series_notes(sample.table, keys))
    swap_has_owners = sample.method != "counts" and "swap" not in sample.meta.unknown_amounts
    if swap_has_owners and sample.table["swap_bytes"].isna().all():
        yield "Swap is left out: its entries lack a key that --where uses"


def _lacking(sample: "Sample") -> Iterator[str]:
    from spo_trace.analysis.shortcomings import shortcomings

    yield from map(for_command_line, shortcomings(sample.meta))
    if sample.lacks_stacks:
        yield STACKS_MISSING + "; --method text has all stacks"
    # The kernel's counts are of memory and swap together.
    if sample.method != "counts" and (why := sample.meta.swap_owner.why):
        yield f"the owners of swap are unknown ({why.text})"
