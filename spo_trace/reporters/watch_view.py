# SPDX-License-Identifier: LGPL-2.1-or-later
"""The output of watch: a live table that fits the terminal, or plain lines for pipes and files."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import pandas as pd
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from spo_trace.printable import printable
from spo_trace.reporters.fitting import Column, aligned, fitted, joined_parts, shortened, unicode_mark
from spo_trace.reporters.format import UNKNOWN, format_rate, format_size
from spo_trace.reporters.sparkline import sparkline
from spo_trace.reporters.terminal_table import amount_style

__all__ = ["WatchView", "render_lines"]

# Lines besides the owners: heading, header of the table, row of all owners, footing, and the keys or an empty one.
_OTHER_LINES = 5

# Terminals narrower than these, in columns, get fewer columns of the table.
_NARROW, _WIDE = 70, 100

# Columns that are left out if the amounts are so long that they do not fit beside the owner.
_EXPENDABLE = ("rate", "past", "interval", "growth", "total")


@dataclass(frozen=True, slots=True)
class WatchView:
    """Draw one sample of a watch on a rich console.

    `rows`: of `analysis.growth`, in display order, with a column `label`; as many as fit are shown. `total`: one row
    with the sums of all owners; `owners`: their number. `heading`, `footing` and `keys`: the parts of a line above,
    of one below, and of the last one. A narrow terminal leaves out the first parts of the heading, and the last parts
    of the other two. `selected`: the index of the marked row, which is always shown. `frames`: of its stack.
    """

    rows: pd.DataFrame
    total: pd.DataFrame
    owners: int
    heading: Sequence[str]
    footing: Sequence[str]
    keys: Sequence[str] = ()
    selected: int | None = None
    frames: Sequence[str] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines that fit the current size of the terminal."""
        lines = max((options.height or console.height) - _OTHER_LINES, 1)
        width, mark = options.max_width, unicode_mark(options.encoding)
        # The frames of a stack get at least half of the lines, the owners the others.
        frames = self.frames[: lines - min(len(self.rows), (lines + 1) // 2)]
        fit = max(lines - len(frames), 1)
        first = max((self.selected or 0) - fit + 1, 0)
        shown = self.rows.iloc[first : first + fit]
        yield _line_of(_last_parts(self.heading, width, mark), "bold")
        yield from self._table(shown, first, width, mark)
        yield from (_line_of("    " + shortened(printable(frame), width - 4, mark)) for frame in frames)
        hidden = self.owners - len(shown)
        more = (f"{hidden:,} more",) if hidden else ()
        yield _line_of(joined_parts([printable(part) for part in (*more, *self.footing)], ", ", width, mark), "dim")
        if self.keys:
            yield _line_of(joined_parts([printable(part) for part in self.keys], "  ", width, mark))

    def _table(self, rows: pd.DataFrame, first: int, width: int, mark: str) -> Iterator[Text]:
        records = pd.concat([self.total, rows], ignore_index=True).to_dict("records")
        names = [*_columns(width, split=_has_memory_or_swap(rows) or _has_memory_or_swap(self.total)), "owner"]
        expendable = [name for name in _EXPENDABLE if name != names[0]]
        fit = fitted([_column(name, records, width, mark) for name in names], width, expendable)
        yield _line_of("".join(aligned([one.title for one in fit.columns], fit, mark)), "bold")
        for number in range(len(records)):
            cells = [one.cells[number] for one in fit.columns]
            styles = (_style(one.name, cell) for one, cell in zip(fit.columns, cells, strict=True))
            line = Text.assemble(*zip(aligned(cells, fit, mark), styles, strict=True), no_wrap=True, overflow="crop")
            if number == 0:
                line.stylize("bold")
            elif self.selected is not None and first + number - 1 == self.selected:
                line.pad_right(width - line.cell_len)
                line.stylize("reverse")
            yield line


def _column(name: str, records: Sequence[dict[Hashable, Any]], width: int, mark: str) -> Column:
    if name == "owner":
        return Column(name, name, [printable(row["label"]) for row in records], right=False, shortens=True)
    if name == "past":
        marks, plain = 20 if width >= _WIDE else 10, mark != "…"
        past = [sparkline(row["past"], marks, ascii_only=plain).ljust(8) for row in records]
        return Column(name, name, past, right=False, shortens=False)
    return Column(name, name, [_plain(name, row) for row in records], right=True, shortens=False)


# The columns that fit beside the owner; memory and swap are preferred to their sum.
def _columns(width: int, *, split: bool) -> list[str]:
    if width < _NARROW:
        return ["total", "growth"]
    if width < _WIDE:
        return [*(["mem", "swap"] if split else ["total"]), "interval", "growth", "past"]
    return [*(["mem", "swap"] if split else []), "total", "interval", "growth", "rate", "past"]


def _line_of(text: str, style: str = "") -> Text:
    return Text(text, style, no_wrap=True, overflow="crop")


def _last_parts(parts: Sequence[str], width: int, mark: str) -> str:
    shown = [printable(part) for part in parts]
    while len(shown) > 1 and cell_len("  ".join(shown)) > width:
        del shown[0]
    return shortened("  ".join(shown), width, mark)


def render_lines(rows: pd.DataFrame, elapsed: float, outfile: TextIO, *, header: bool) -> None:
    """Write one line per row of `rows` (as for WatchView), after a line of titles if `header`."""
    names = ["mem", "swap"] if _has_memory_or_swap(rows) else []
    names += ["total", "interval", "growth", "rate"]
    if header:
        outfile.write(_line("seconds", names, "owner"))
    for row in rows.to_dict("records"):
        outfile.write(_line(f"{elapsed:.1f}", [_plain(name, row) for name in names], printable(row["label"])))
    outfile.flush()


# The kernel's counts are of memory and swap together: both are unknown. If only one is, the columns are still useful.
def _has_memory_or_swap(rows: pd.DataFrame) -> bool:
    return bool(rows[["mem_bytes", "swap_bytes"]].notna().any(axis=None))


def _line(first: str, cells: Sequence[str], last: str) -> str:
    return f"{first:>9}{''.join(f' {cell:>12}' for cell in cells)}  {last}\n"


def _plain(name: str, row: dict[Hashable, Any]) -> str:
    value = row[_COLUMN[name]]
    if pd.isna(value):
        return "-" if name == "rate" else UNKNOWN
    number = float(value)
    return format_rate(number) if name == "rate" else format_size(number, signed=name in ("interval", "growth"))


_COLUMN = {
    **{"mem": "mem_bytes", "swap": "swap_bytes", "total": "total_bytes"},
    **{"interval": "interval_delta", "growth": "growth_delta", "rate": "rate"},
}


def _style(name: str, cell: str) -> str:
    return "" if name in ("past", "owner") else amount_style(cell)
