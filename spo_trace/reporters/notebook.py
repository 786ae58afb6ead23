# SPDX-License-Identifier: LGPL-2.1-or-later
"""Results in a notebook: DataFrames whose HTML shows readable sizes, rates and shares."""

from html import escape

import pandas as pd

from spo_trace.printable import printable
from spo_trace.reporters.cells import STACK_KEYS, shown_cells
from spo_trace.reporters.format import counted
from spo_trace.stacks.text import split_frames

__all__ = ["Table", "table_html"]

_MOST_ROWS = 20


class Table(pd.DataFrame):
    """Hold a result: a DataFrame with its own HTML; anything computed from it is a plain DataFrame.

    A computed column may keep a name such as mem_bytes with another meaning. So only the result itself and its first or
    last rows are formatted by the names of their columns.
    """

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    # pandas' stubs declare these methods final; pandas does not.
    def head(self, n: int = 5) -> "Table":  # type: ignore[misc]
        """Return the first `n` rows."""
        return Table(super().head(n))

    def tail(self, n: int = 5) -> "Table":  # type: ignore[misc]
        """Return the last `n` rows."""
        return Table(super().tail(n))

    def _repr_html_(self) -> str:
        return table_html(self)


def table_html(table: pd.DataFrame) -> str:
    """Return `table` as an HTML table of at most 20 rows, with all texts escaped."""
    titles, rows, numbers = shown_cells(table.head(_MOST_ROWS).reset_index(drop=True))
    head = "".join(f"<th>{_text(title)}</th>" for title in titles)
    body = "".join(f"<tr>{_cells(row, titles, numbers)}</tr>" for row in rows)
    more = len(table) - len(rows)
    note = f"<p>… {counted(more, 'more row')}</p>" if more else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"


def _cells(row: list[str], titles: list[str], numbers: list[bool]) -> str:
    sides = ("right" if number else "left" for number in numbers)
    # One frame per line.
    stacks = (title in STACK_KEYS for title in titles)
    texts = (
        "<br>".join(map(_text, split_frames(cell))) if s else _text(cell) for s, cell in zip(stacks, row, strict=True)
    )
    return "".join(f'<td style="text-align: {side}">{text}</td>' for side, text in zip(sides, texts, strict=True))


def _text(text: str) -> str:
    return escape(printable(text))
