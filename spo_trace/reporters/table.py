# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tables for a terminal or an e-mail: aligned text, or Markdown."""

from collections.abc import Sequence
from typing import TextIO

import pandas as pd

from spo_trace.reporters.cells import STACK_KEYS, column_cells, column_title, is_amount, key_text, shown_columns
from spo_trace.reporters.markdown import render_markdown

__all__ = ["render_table"]


def render_table(table: pd.DataFrame, outfile: TextIO, *, markdown: bool = False) -> None:
    """Write `table`; its columns are formatted by their names: *_bytes, *_delta, shares, rates, else keys."""
    shown = shown_columns(table)
    stacks = [] if markdown else [name for name in shown if name in STACK_KEYS]
    columns = [name for name in shown if name not in stacks]
    cells = [column_cells(table, name) for name in columns]
    titles = [column_title(name) for name in columns]
    rows = list(zip(*cells, strict=True)) if columns else [()] * len(table)
    if markdown:
        return render_markdown(titles, rows, [is_amount(name) for name in columns], outfile)
    widths = [max(map(len, [title, *column])) for title, column in zip(titles, cells, strict=True)]
    right = [is_amount(name) for name in columns]
    outfile.write(_line(titles, widths, right))
    for number, row in enumerate(rows):
        outfile.write(_line(row, widths, right))
        for name in stacks:
            outfile.write("".join(f"    {key_text(frame)}\n" for frame in table[name].iloc[number]))
    return None


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(cells, widths, right, strict=True))
    return "  ".join(padded).rstrip() + "\n"
