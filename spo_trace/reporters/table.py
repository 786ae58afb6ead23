# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tables for a terminal or an e-mail: aligned text, or Markdown."""

from collections.abc import Sequence
from typing import Any, TextIO

import pandas as pd

from spo_trace.printable import printable
from spo_trace.reporters.format import UNKNOWN, format_rate, format_share, format_size
from spo_trace.reporters.frames import text_of
from spo_trace.reporters.markdown import render_markdown
from spo_trace.reporters.names import shown_key
from spo_trace.schema import KEY_KNOWN

__all__ = ["render_table", "shown_cells"]

# Keys that consist of frames: one line per frame below the numbers, to fit the width of a screen.
_STACK_KEYS = ("stack", "symbols")

_SHARES = ("share", "steadiness")
_RATES = ("rate", "rate_error", "rate_low")
_TITLES = {"rate_error": "error", "rate_low": "at least", "swap_least_bytes": "at least"}

# People need only one unit of each amount: bytes.
_LEFT_OUT = ("mem_pages", "swap_pages", "swap_cache_pages")
_SWAP_CACHE = "swap_cache_bytes"

# Numbers of pages and blocks: column → title.
_COUNTS = {
    "unmovable_pages": "pages",
    "blocks": "blocks",
    "alone_blocks": "blocks alone",
    "active_objects": "objects in use",
    "objects": "objects",
}


def render_table(table: pd.DataFrame, outfile: TextIO, *, markdown: bool = False) -> None:
    """Write `table`; its columns are formatted by their names: *_bytes, *_delta, shares, rates, else keys."""
    shown = _shown(table)
    stacks = [] if markdown else [name for name in shown if name in _STACK_KEYS]
    columns = [name for name in shown if name not in stacks]
    cells = [_cells(table, name) for name in columns]
    titles = [_title(name) for name in columns]
    rows = list(zip(*cells, strict=True)) if columns else [()] * len(table)
    if markdown:
        return render_markdown(titles, rows, [_is_number(name) for name in columns], outfile)
    widths = [max(map(len, [title, *column])) for title, column in zip(titles, cells, strict=True)]
    right = [_is_number(name) for name in columns]
    outfile.write(_line(titles, widths, right))
    for number, row in enumerate(rows):
        outfile.write(_line(row, widths, right))
        for name in stacks:
            outfile.write("".join(f"    {_text(frame)}\n" for frame in table[name].iloc[number]))
    return None


# Most tables have nothing in the swap cache.
def _shown(table: pd.DataFrame) -> list[str]:
    names = [name for name in table.columns if name not in (*_LEFT_OUT, KEY_KNOWN)]
    return [name for name in names if not name.startswith(_SWAP_CACHE) or table[name].fillna(0).any()]


def _cells(table: pd.DataFrame, name: str) -> list[str]:
    if _is_number(name):
        return [_cell(name, value) for value in table[name]]
    known = table[KEY_KNOWN] if KEY_KNOWN in table else [True] * len(table)
    return [_text(value, known=bool(one)) for value, one in zip(table[name], known, strict=True)]


def _cell(name: str, value: Any) -> str:
    if pd.isna(value):
        return UNKNOWN if "_bytes" in name and name not in _TITLES else ""
    if name in _COUNTS:
        return f"{int(value):,}"
    number = float(value)
    if name in _SHARES:
        return format_share(number)
    if name == "rate_error":
        return f"±{format_size(number)}/s"
    if name in _RATES:
        return format_rate(number)
    return format_size(number, signed=name.endswith("_delta"))


def _text(value: Any, *, known: bool = True) -> str:
    return printable(shown_key(text_of(value), known=known))


def _is_number(name: str) -> bool:
    return name in (*_SHARES, *_RATES, *_COUNTS) or "_bytes" in name


def _title(name: str) -> str:
    if name in _TITLES or name in _COUNTS:
        return _TITLES.get(name) or _COUNTS[name]
    base, _, side = name.partition("_bytes")
    if not _is_number(name) or name == base:
        return name
    return base.replace("_", " ") + {"": "", "_a": " A", "_b": " B", "_delta": " B-A"}[side]


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(cells, widths, right, strict=True))
    return "  ".join(padded).rstrip() + "\n"


def shown_cells(table: pd.DataFrame) -> tuple[list[str], list[list[str]], list[bool]]:
    """Return the titles, the texts of the rows, and for each column whether it is an amount."""
    names = _shown(table)
    columns = [_cells(table, name) for name in names]
    rows = [list(row) for row in zip(*columns, strict=True)]
    return [_title(name) for name in names], rows, [_is_number(name) for name in names]
