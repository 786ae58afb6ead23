# SPDX-License-Identifier: LGPL-2.1-or-later
"""The live display of watch on a terminal."""

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from spo_trace.cli.output import note, progress, warn
from spo_trace.cli.watch_display import Display
from spo_trace.reporters.format import counted, format_size

if TYPE_CHECKING:
    from rich.live import Live

    from spo_trace.analysis.question import Question
    from spo_trace.collect.read_log import Progress
    from spo_trace.formats.text import KernelText
    from spo_trace.reporters.watch_view import WatchView
    from spo_trace.sampling.samples import Sample
    from spo_trace.snapshots.meta import FileCounts

__all__ = ["Terminal"]

# At most this many owners are formatted for a terminal.
_ROWS_ON_TERMINAL = 200


class Terminal(Display):
    """Redraw a view on the whole terminal; the last view stays on screen at the end."""

    _live: "Live | None" = None
    _view: "WatchView | None" = None

    def __init__(self, question: "Question") -> None:
        super().__init__(question)
        self._held_back: list[str] = []
        self._notes: list[str] = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Restore the terminal, and print the warnings and notes that were held back."""
        if self._live:
            self._live.stop()
        for text in self._held_back:
            warn(text)
        for text in self._notes:
            note(text)

    # For the first sample only: later the view is on screen.
    def progress(self) -> "Progress | None":
        """Return a function that shows the progress of reading a sample."""
        draw = progress()

        def update(text: "KernelText", counts: "FileCounts") -> None:
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
        footing = _footing(sample, self._question.keys, len(self._held_back))
        self._view = WatchView(rows, everything, owners, _heading(sample), footing)
        if self._live is None:
            # Refreshed between samples, as the terminal may change its size.
            self._live = Live(self._view, screen=True, refresh_per_second=2, redirect_stdout=False)
            self._live.start()
        self._live.update(self._view, refresh=True)

    def _warn(self, text: str) -> None:
        self._held_back.append(text)

    def _note(self, text: str) -> None:
        self._notes.append(text)

    def _remark(self, text: str) -> None:
        """The last line of the view says it."""


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
    what = {
        "counts": "the kernel's counts of memory and swap together",
        "memory": "every record, out of memory",
        "text": "every record",
    }[sample.method]
    if sample.method_reason == "counts-lack-stacks":
        what += ", because this kernel does not count every stack"
    later = f" {counted(warnings, 'warning')} at the end." if warnings else ""
    return f"Sample {sample.number} by {', '.join(keys)}: {what}, read in {sample.took:.2f} s. Ctrl-C stops.{later}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
