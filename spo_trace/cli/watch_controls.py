# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the keys of watch do: the state that they change, apart from any terminal."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from spo_trace.cli.options import keys_of

__all__ = ["SORTS", "Change", "Controls"]

# Orders of the rows, in which `s` goes through them.
SORTS = ("growth", "interval", "total", "mem", "swap")

_PAGE = 10


class Change(Enum):
    """What a key has changed."""

    NOTHING = auto()
    # The selected row, the prompt, or a pause.
    DISPLAY = auto()
    # Which rows there are, or their order.
    ROWS = auto()
    # The keys that owners are grouped by: `asked_keys`.
    KEYS = auto()
    ZOOM_IN = auto()
    ZOOM_OUT = auto()
    QUIT = auto()


class _Prompt(Enum):
    FILTER = "filter"
    BY = "by"


@dataclass
class Controls:
    """Hold what was chosen by keys.

    `sort`: one of SORTS. `matching`: shown labels contain it. `selected`: the index of a row.
    `message`: why the last key did nothing, and a hint. `zoomed`: the label of an owner whose stacks are shown.
    """

    sort: str
    paused: bool = False
    matching: str = ""
    selected: int = 0
    message: Sequence[str] = ()
    zoomed: str | None = None
    asked_keys: list[str] = field(default_factory=list)
    _prompt: _Prompt | None = None
    _typed: str = ""

    def press(self, key: str) -> Change:
        """Take a key as `Keyboard` names it, and return what it has changed."""
        self.message = ()
        return self._type(key) if self._prompt else self._command(key)

    def show_all(self, zoomed: str | None = None) -> None:
        """Show the owners of another question, all of them and from the first one on; `zoomed`: their stacks."""
        self.selected, self.matching, self.zoomed = 0, "", zoomed

    def limit(self, rows: int) -> None:
        """Select one of so many rows."""
        self.selected = max(min(self.selected, rows - 1), 0)

    def line(self) -> Sequence[str]:
        """Return the line of keys, in parts of which the first are the most important ones."""
        if self.message:
            return self.message
        if self._prompt:
            return (f"{self._prompt.value}: {self._typed}_", "Enter accepts", "Esc cancels")
        pause = "p go on" if self.paused else "p pause"
        stacks = "Esc back" if self.zoomed is not None else "Enter stacks"
        shown = f"f filter: {self.matching}" if self.matching else "f filter"
        return ("q quit", pause, f"s sort: {self.sort}", stacks, shown, "b by", "↑↓ select")

    def _command(self, key: str) -> Change:
        match key:
            case "q":
                return Change.QUIT
            case "p" | " ":
                self.paused = not self.paused
            case "s":
                self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
                self.selected = 0
                return Change.ROWS
            case "f" | "/":
                self._prompt, self._typed = _Prompt.FILTER, self.matching
            case "b":
                self._prompt, self._typed = _Prompt.BY, ""
            case "enter" | "z":
                return Change.ZOOM_IN if self.zoomed is None else Change.NOTHING
            case "escape" | "backspace":
                return self._back()
            case "up" | "down" | "pageup" | "pagedown" | "home" | "end":
                self._move(key)
            case _:
                return Change.NOTHING
        return Change.DISPLAY

    def _back(self) -> Change:
        if self.zoomed is not None:
            return Change.ZOOM_OUT
        self.matching, self.selected = "", 0
        return Change.ROWS

    # `limit` corrects an index beyond the last row.
    def _move(self, key: str) -> None:
        step = {"up": -1, "down": 1, "pageup": -_PAGE, "pagedown": _PAGE, "home": -self.selected, "end": 1 << 30}[key]
        self.selected = max(self.selected + step, 0)

    def _type(self, key: str) -> Change:
        if key == "enter":
            return self._accept()
        if key == "escape":
            self._prompt = None
        elif key == "backspace":
            self._typed = self._typed[:-1]
        elif len(key) == 1:
            self._typed += key
        return Change.DISPLAY

    def _accept(self) -> Change:
        prompt, self._prompt = self._prompt, None
        if prompt is _Prompt.FILTER:
            self.matching, self.selected = self._typed, 0
            return Change.ROWS
        self.asked_keys = keys_of([self._typed]) or []
        return Change.KEYS if self.asked_keys else Change.DISPLAY
