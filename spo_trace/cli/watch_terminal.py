# SPDX-License-Identifier: LGPL-2.1-or-later
"""The live display of watch on a terminal."""

import time
from types import TracebackType
from typing import TYPE_CHECKING

from spo_trace.cli.messages import for_command_line
from spo_trace.cli.output import note, progress, warn
from spo_trace.cli.watch_controls import SORTS, Change, Controls
from spo_trace.cli.watch_display import Display
from spo_trace.cli.watch_questions import Questions
from spo_trace.cli.watch_screen import Screen
from spo_trace.cli.watch_texts import footing, heading
from spo_trace.errors import SpoTraceError

if TYPE_CHECKING:
    from spo_trace.analysis.question import Question
    from spo_trace.cli.watch_history import Growth
    from spo_trace.collect.read_log import Progress
    from spo_trace.formats.text import KernelText
    from spo_trace.reporters.watch_view import WatchView
    from spo_trace.sampling.samples import Sample
    from spo_trace.snapshots.meta import FileCounts

__all__ = ["Terminal"]

# At most this many owners are formatted for a terminal.
_ROWS_ON_TERMINAL = 200


class Terminal(Display):
    """Redraw a view on the whole terminal, and do what keys ask for; the last view stays on screen at the end."""

    asks = True

    def __init__(self, question: "Question") -> None:
        super().__init__(question)
        self._held_back: list[str] = []
        self._notes: list[str] = []
        self._screen = Screen()
        self._questions = Questions(question, self._history)
        order = (question.sort or "").partition("_")[0]
        self._controls = Controls(order if order in SORTS else SORTS[0])
        self._growth_shown: Growth | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Restore the terminal, and print the warnings and notes that were held back."""
        self._screen.close()
        for text in self._held_back:
            warn(text)
        for text in self._notes:
            note(text)

    def progress(self) -> "Progress | None":
        """Return a function that shows the progress of reading the first sample, and reads keys during later ones."""
        draw = progress()

        def update(text: "KernelText", counts: "FileCounts") -> None:
            if self.taken:
                self._obey(0)
            elif draw:
                draw(text, counts)

        return update

    def wait(self, seconds: float) -> None:
        """Wait for the next sample, or as long as the user pauses, and do what keys ask for."""
        until = time.monotonic() + seconds
        self._obey(0)
        while self._controls.paused or time.monotonic() < until:
            left = max(until - time.monotonic(), 0)
            if self._screen.keyboard.is_open:
                self._obey(None if self._controls.paused else left)
            else:
                self._controls.paused = False
                time.sleep(left)

    def leave(self) -> None:
        """Print the last view on the normal screen."""
        from rich.console import Console

        if self.taken:
            Console().print(self._view(live=False))

    def _draw(self, sample: "Sample") -> None:
        self._questions.add(sample)
        self._redraw()

    def _obey(self, seconds: float | None) -> None:
        for key in self._screen.keyboard.keys(seconds):
            change = self._controls.press(key)
            if change is Change.QUIT:
                # As Ctrl-C.
                raise KeyboardInterrupt
            try:
                self._change(change)
            except SpoTraceError as error:
                self._controls.message = [for_command_line(text) for text in error.texts if text is not None]
            if change is not Change.NOTHING:
                self._redraw(same_rows=change is Change.DISPLAY)

    def _change(self, change: Change) -> None:
        controls = self._controls
        match change:
            case Change.KEYS:
                self._questions.group_by(controls.asked_keys)
                controls.show_all()
            case Change.ZOOM_IN:
                rows = self._rows().rows
                # The frames of a stack are shown already.
                if len(rows) and "stack" not in self._questions.shown.keys:
                    owner = rows.iloc[controls.selected]
                    self._questions.zoom(owner)
                    controls.show_all(owner["label"])
            case Change.ZOOM_OUT:
                self._questions.leave_zoom()
                controls.show_all()

    def _redraw(self, *, same_rows: bool = False) -> None:
        if not same_rows:
            self._growth_shown = None
        self._screen.open()
        self._screen.draw(self._view(live=True))

    def _rows(self) -> "Growth":
        if self._growth_shown is None:
            controls, most = self._controls, self._question.top or _ROWS_ON_TERMINAL
            self._growth_shown = self._questions.shown.growth(controls.sort, most, controls.matching)
        return self._growth_shown

    def _view(self, *, live: bool) -> "WatchView":
        from spo_trace.reporters.watch_view import WatchView

        rows, total, owners = self._rows()
        controls, sample = self._controls, self._questions.latest
        assert sample is not None
        controls.limit(len(rows))
        has_keys = live and self._screen.keyboard.is_open
        keys = self._questions.shown.keys
        asked = f"of {controls.zoomed}" if controls.zoomed is not None else f"by {', '.join(keys)}"
        frames = rows["stack"].iloc[controls.selected] if has_keys and "stack" in keys and len(rows) else None
        return WatchView(
            rows,
            total,
            owners,
            heading(sample),
            footing(sample, asked, len(self._held_back)),
            controls.line() if has_keys else ("Ctrl-C stops",) if live else (),
            controls.selected if has_keys else None,
            frames if isinstance(frames, tuple) else (),
        )

    def _warn(self, text: str) -> None:
        self._held_back.append(text)

    def _note(self, text: str) -> None:
        self._notes.append(text)

    def _remark(self, text: str) -> None:
        """The last line of the view says it."""
