# SPDX-License-Identifier: LGPL-2.1-or-later
"""The output of watch: a live table that fits the terminal, or plain lines for pipes and files."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import pandas as pd
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from spo_trace.printable import printable
from spo_trace.reporters.format import UNKNOWN, format_rate, format_size
from spo_trace.reporters.sparkline import sparkline

__all__ = ["WatchView", "render_lines"]

# Lines besides the owners: heading, header of the table, row of all owners, footing, and one that stays empty.
_OTHER_LINES = 5

# Terminals narrower than these, in columns, get fewer columns of the table.
_NARROW, _WIDE = 70, 100


@dataclass(frozen=True, slots=True)
class WatchView:
    """Draw one sample of a watch on a rich console.

    `rows`: of `analysis.growth`, in display order, with a column `label`; as many as fit are shown. `total`: one row
    with the sums of all owners; `owners`: their number. `heading` and `footing`: one line above and one below.
    """

    rows: pd.DataFrame
    total: pd.DataFrame
    owners: int
    heading: str
    footing: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines that fit the current size of the terminal."""
        fit = max((options.height or console.height) - _OTHER_LINES, 1)
        plain = not options.encoding.startswith("utf")
        shown = self.rows.head(fit)
        yield _one_line(self.heading, "bold")
        yield self._table(pd.concat([self.total, shown], ignore_index=True), options.max_width, plain)
        hidden = self.owners - len(shown)
        yield _one_line(f"{hidden:,} more. {self.footing}" if hidden else self.footing, "dim")

    def _table(self, rows: pd.DataFrame, width: int, plain: bool) -> Table:
        split = _has_memory_or_swap(rows)
        names = _columns(width, split=split)
        marks = 20 if width >= _WIDE else 10
        table = Table(box=None, padding=(0, 1, 0, 0), expand=True)
        for name in names:
            table.add_column(name, justify="left" if name == "past" else "right", no_wrap=True)
        table.add_column("owner", no_wrap=True, overflow="ellipsis", ratio=1)
        for number, row in enumerate(rows.to_dict("records")):
            past = Text(sparkline(row["past"], marks, ascii_only=plain).ljust(8))
            cells = [past if name == "past" else _cell(name, row) for name in names]
            table.add_row(*cells, Text(printable(row["label"])), style="bold" if number == 0 else "")
        return table


# The columns that fit beside the owner; memory and swap are preferred to their sum.
def _columns(width: int, *, split: bool) -> list[str]:
    if width < _NARROW:
        return ["total", "growth"]
    if width < _WIDE:
        return [*(["mem", "swap"] if split else ["total"]), "interval", "growth", "past"]
    return [*(["mem", "swap"] if split else []), "total", "interval", "growth", "rate", "past"]


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


# The sign shows growth; the colour only makes it easier to see.
def _cell(name: str, row: dict[Hashable, Any]) -> Text:
    text = _plain(name, row)
    return Text(
        text, style="yellow" if text.startswith("+") else "cyan" if text.startswith("-") and len(text) > 1 else ""
    )


def _one_line(text: str, style: str) -> Text:
    return Text(printable(text), style=style, no_wrap=True, overflow="ellipsis")
