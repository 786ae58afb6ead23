# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where watch shows its samples: a live view on a terminal, or plain lines."""

import re
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from spo_trace.analysis.shortcomings import shortcomings
from spo_trace.cli.messages import worded
from spo_trace.cli.output import note, progress, warn
from spo_trace.collect.read_log import Progress
from spo_trace.formats.text import KernelText
from spo_trace.reporters.format import counted, format_size
from spo_trace.snapshots.meta import FileCounts

if TYPE_CHECKING:
    import pandas as pd
    from rich.live import Live

    from spo_trace.analysis.question import Question
    from spo_trace.reporters.watch_view import WatchView
    from spo_trace.sampling.samples import Sample

__all__ = ["Csv", "Display", "JsonLines", "Lines", "Terminal"]

_NUMBER = re.compile(r"[\d,]+")

# Samples that are kept besides the first one, for the sparklines.
_REMEMBERED = 20

# At most this many owners are formatted for a terminal.
_ROWS_ON_TERMINAL = 200


class Display:
    """Keep the samples from which growth is computed; `taken` is the number of samples shown."""

    def __init__(self, question: "Question") -> None:
        self.taken = 0
        self._question = question
        self._first: Sample | None = None
        self._recent: deque[Sample] = deque(maxlen=_REMEMBERED)
        self._told: set[str] = set()
        self._cut_told = False
        self._texts: dict[object, object] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def progress(self) -> Progress | None:
        """Return a function that shows the progress of reading a sample."""
        return progress()

    def show(self, sample: "Sample") -> None:
        """Show one more sample."""
        sample = self._slim(sample)
        if self._first is None:
            self._first = sample
        else:
            self._recent.append(sample)
        self.taken += 1
        for text in _lacking(sample):
            # Once for all samples, even if the numbers in the text differ.
            if (kind := _NUMBER.sub("", text)) not in self._told:
                self._told.add(kind)
                self._warn(f"sample {sample.number}: {text}")
        self._draw(sample)

    def leave(self) -> None:
        """Finish the output after the last sample."""

    # Each sample repeats the same names and stacks: keep one copy, so that a long watch does not grow.
    def _slim(self, sample: "Sample") -> "Sample":
        import pandas as pd

        columns = {
            key: pd.Series([self._once(value) for value in sample.table[key]], dtype=object)
            for key in self._question.keys
        }
        return replace(sample, table=sample.table.assign(**columns))

    def _once(self, value: object) -> object:
        return self._texts.setdefault(value, value) if isinstance(value, str | tuple) else value

    def _warn(self, text: str) -> None:
        warn(text)

    def _draw(self, sample: "Sample") -> None:
        raise NotImplementedError

    # Once, even if --top cuts many samples.
    def _tell_cut(self, left_out: int) -> None:
        if left_out and not self._cut_told:
            self._cut_told = True
            note(f"… {counted(left_out, 'more owner')}, left out of each sample: --top 0 shows all")

    # Returns the growth of the first `most` owners (0: all), of all together, and the number of owners.
    def _growth(self, most: int) -> "tuple[pd.DataFrame, pd.DataFrame, int]":
        from spo_trace.analysis.growth import growth
        from spo_trace.analysis.order import sort_rows
        from spo_trace.analysis.owner_labels import owner_labels
        from spo_trace.sampling.series import series_of

        assert self._first is not None
        table = series_of([self._first, *self._recent], self._question.keys).table
        rows = growth(table, self._question.keys)
        rows = sort_rows(rows, self._question.sort or "growth_delta", [])
        shown = rows.head(most) if most else rows
        labelled = shown.assign(label=owner_labels(shown, self._question.keys))
        return labelled, growth(table, []).assign(label="all"), len(rows)


def _lacking(sample: "Sample") -> Iterator[str]:
    yield from map(worded, shortcomings(sample.meta))
    # The kernel's counts are of memory and swap together.
    if sample.method == "full" and (why := sample.meta.swap_owner.why):
        yield f"the owners of swap are unknown ({why.text})"


class Lines(Display):
    """Print one line per owner and sample, for a pipe, a file or a log."""

    def _draw(self, sample: "Sample") -> None:
        import pandas as pd

        from spo_trace.reporters.watch_view import render_lines

        rows, everything, owners = self._growth(self._question.top or 0)
        self._tell_cut(owners - len(rows))
        shown = pd.concat([everything, rows], ignore_index=True)
        render_lines(shown, sample.seconds, sys.stdout, header=self.taken == 1)


class _Rows(Display):
    """Write one row per owner and sample with the column names of the API, for programs."""

    def _draw(self, sample: "Sample") -> None:
        rows, _, owners = self._growth(self._question.top or 0)
        self._tell_cut(owners - len(rows))
        rows = rows.drop(columns=["past", "label"])
        rows.insert(0, "sample", sample.number)
        rows.insert(1, "seconds", sample.seconds)
        self._write(rows)
        sys.stdout.flush()

    def _write(self, rows: "pd.DataFrame") -> None:
        raise NotImplementedError


class Csv(_Rows):
    """Write the rows as comma-separated values."""

    def _write(self, rows: "pd.DataFrame") -> None:
        from spo_trace.reporters.csv_file import render_csv

        render_csv([rows], sys.stdout, header=self.taken == 1)


class JsonLines(_Rows):
    """Write each row as a JSON object on its own line."""

    def _write(self, rows: "pd.DataFrame") -> None:
        from spo_trace.reporters.json_file import render_json_lines

        render_json_lines(rows, sys.stdout)


class Terminal(Display):
    """Redraw a view on the whole terminal; the last view stays on screen at the end."""

    _live: "Live | None" = None
    _view: "WatchView | None" = None

    def __init__(self, question: "Question") -> None:
        super().__init__(question)
        self._unsaid: list[str] = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Restore the terminal, and print the warnings that were held back."""
        if self._live:
            self._live.stop()
        for text in self._unsaid:
            warn(text)

    # For the first sample only: later the view is on screen.
    def progress(self) -> Progress | None:
        """Return a function that shows the progress of reading a sample."""
        draw = progress()

        def update(text: KernelText, counts: FileCounts) -> None:
            if draw and not self.taken:
                draw(text, counts)

        return update

    def leave(self) -> None:
        """Print the last view on the normal screen."""
        from rich.console import Console

        if self._view:
            Console().print(self._view)

    def _draw(self, sample: "Sample") -> None:
        from rich.live import Live

        from spo_trace.reporters.watch_view import WatchView

        rows, everything, owners = self._growth(self._question.top or _ROWS_ON_TERMINAL)
        footing = _footing(sample, self._question.keys, len(self._unsaid))
        self._view = WatchView(rows, everything, owners, _heading(sample), footing)
        if self._live is None:
            # Refreshed between samples, as the terminal may change its size.
            self._live = Live(self._view, screen=True, refresh_per_second=2, redirect_stdout=False)
            self._live.start()
        self._live.update(self._view, refresh=True)

    def _warn(self, text: str) -> None:
        self._unsaid.append(text)


def _heading(sample: "Sample") -> str:
    machine = sample.meta.machine
    parts = [machine.host or "", machine.kernel_release or "", _clock(sample.seconds)]
    for title, total, free in (("memory", "MemTotal", "MemFree"), ("swap", "SwapTotal", "SwapFree")):
        parts.append(_used(machine.meminfo, title, total, free))
    return "  ".join(part for part in parts if part)


def _used(meminfo: Mapping[str, int], title: str, total: str, free: str) -> str:
    if not meminfo.get(total) or free not in meminfo:
        return ""
    return f"{title} {format_size(meminfo[total] - meminfo[free])} of {format_size(meminfo[total])}"


def _footing(sample: "Sample", keys: list[str], warnings: int) -> str:
    what = {"counts": "the kernel's counts of memory and swap together", "full": "every record"}[sample.method]
    later = f" {warnings} warnings follow." if warnings else ""
    return f"Sample {sample.number} by {', '.join(keys)}: {what}, read in {sample.took:.2f} s. Ctrl-C stops.{later}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
