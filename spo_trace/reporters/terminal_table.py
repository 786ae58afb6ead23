# SPDX-License-Identifier: LGPL-2.1-or-later
"""A table for a terminal: it fits the width, with a bold header, colours and a total."""

from collections.abc import Mapping, Sequence
from typing import TextIO

import pandas as pd
from rich.console import Console
from rich.text import Text

from spo_trace.reporters.cells import (
    STACK_KEYS,
    amount_text,
    column_cells,
    column_title,
    is_amount,
    key_text,
    shown_columns,
)
from spo_trace.reporters.fitting import Column, aligned, fitted, shortened, unicode_mark
from spo_trace.reporters.format import UNKNOWN, format_share

__all__ = ["amount_style", "render_on_terminal"]

# Amounts that a narrow terminal leaves out for the names, the least important first; memory and swap always stay.
_EXPENDABLE = (
    *("steadiness", "rate_error", "rate", "share", "alone_blocks", "total_bytes_a", "total_bytes_b"),
    *("swap_cache_bytes", "swap_cache_bytes_delta", "first_bytes", "last_bytes", "total_bytes", "total_bytes_delta"),
)

_INDENT = "    "
_TOTAL = "total"


def render_on_terminal(
    table: pd.DataFrame, total: Mapping[str, int | None], outfile: TextIO, *, width: int | None = None
) -> list[str]:
    """Write `table` and its `total` as rich writes to a terminal, and return the titles of columns that did not fit.

    `width`: that of the terminal, by default the current one. Rich honours NO_COLOR and TERM.
    """
    console = Console(file=outfile, width=width, highlight=False)
    mark = unicode_mark(console.encoding)
    shown = shown_columns(table)
    stacks = [name for name in shown if name in STACK_KEYS]
    names = [name for name in shown if name not in stacks]
    sums = _total_cells(names, total) if len(table) else {}
    fit = fitted([_column(table, name, sums.get(name, "")) for name in names], console.width, _EXPENDABLE)
    _print(console, aligned([one.title for one in fit.columns], fit, mark), ["bold"] * len(fit.columns))
    for number in range(len(table)):
        cells = [one.cells[number] for one in fit.columns]
        _print(console, aligned(cells, fit, mark), [_style(*one) for one in zip(fit.columns, cells, strict=True)])
        for name in stacks:
            for frame in table[name].iloc[number]:
                _print(console, [_INDENT, shortened(key_text(frame), console.width - len(_INDENT), mark)], ["", ""])
    if sums:
        cells = aligned([sums[one.name] for one in fit.columns], fit, mark)
        # Without a name in front of it, the word is behind the amounts.
        _print(console, [*cells, f"  {_TOTAL}" if fit.columns[0].right else ""], ["bold"] * (len(cells) + 1))
    return fit.left_out


# The total is a cell, too: its width counts.
def _column(table: pd.DataFrame, name: str, total: str) -> Column:
    cells = column_cells(table, name)
    shortens = not is_amount(name) and any(isinstance(value, str) for value in table[name])
    return Column(name, column_title(name), [*cells, total], is_amount(name), shortens)


# Empty if no amount of the table has a total.
def _total_cells(names: Sequence[str], total: Mapping[str, int | None]) -> dict[str, str]:
    found = {name: amount_text(name, total[name]) for name in names if is_amount(name) and name in total}
    if not found:
        return {}
    share = {"share": format_share(1) if total.get("total_bytes") else format_share(0)}
    first = {} if is_amount(names[0]) else {names[0]: _TOTAL}
    return dict.fromkeys(names, "") | share | found | first


def _style(column: Column, cell: str) -> str:
    return amount_style(cell) if column.right else "dim" if cell == UNKNOWN else ""


def amount_style(text: str) -> str:
    """Return the style of an amount: the sign shows growth, the colour only makes it easier to see."""
    if text[:1] in ("+", "-") and len(text) > 1:
        return "yellow" if text[0] == "+" else "cyan"
    return "dim" if text in (UNKNOWN, "0 B", "0.0%") else ""


def _print(console: Console, cells: Sequence[str], styles: Sequence[str]) -> None:
    line = Text.assemble(*zip(cells, styles, strict=True))
    line.rstrip()
    # Neither wrapped nor cut: the columns fit, or their numbers need more than the width.
    console.print(line, soft_wrap=True)
