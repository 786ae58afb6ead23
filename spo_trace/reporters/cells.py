# SPDX-License-Identifier: LGPL-2.1-or-later
"""The cells of a table as text: which columns are shown, their titles, amounts and keys."""

from typing import Any

import pandas as pd

from spo_trace.printable import printable
from spo_trace.reporters.format import UNKNOWN, format_rate, format_share, format_size
from spo_trace.reporters.frames import text_of
from spo_trace.reporters.names import shown_key
from spo_trace.schema import KEY_KNOWN

__all__ = [
    "STACK_KEYS",
    "amount_text",
    "column_cells",
    "column_title",
    "is_amount",
    "key_text",
    "shown_cells",
    "shown_columns",
]

# Keys that consist of frames: one line per frame below the numbers, to fit the width of a screen.
STACK_KEYS = ("stack", "symbols", "common")

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
    "hosts": "hosts",
    "hosts_a": "hosts A",
    "hosts_b": "hosts B",
}


def shown_columns(table: pd.DataFrame) -> list[str]:
    """Return the names of the columns that people see: bytes rather than pages."""
    # Most tables have nothing in the swap cache.
    names = [name for name in table.columns if name not in (*_LEFT_OUT, KEY_KNOWN)]
    return [name for name in names if not name.startswith(_SWAP_CACHE) or table[name].fillna(0).any()]


def column_cells(table: pd.DataFrame, name: str) -> list[str]:
    """Return the texts of a column, formatted by its name."""
    if is_amount(name):
        return [amount_text(name, value) for value in table[name]]
    known = table[KEY_KNOWN] if KEY_KNOWN in table else [True] * len(table)
    return [key_text(value, known=bool(one)) for value, one in zip(table[name], known, strict=True)]


def amount_text(name: str, value: Any) -> str:
    """Return an amount of the column `name` as text; a missing size is `?`, any other missing amount is empty."""
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


def key_text(value: Any, *, known: bool = True) -> str:
    """Return a key as text without control characters; `known` as for `shown_key`."""
    return printable(shown_key(text_of(value), known=known))


def is_amount(name: str) -> bool:
    """Return whether a column has amounts; other columns are keys."""
    return name in (*_SHARES, *_RATES, *_COUNTS) or "_bytes" in name


def column_title(name: str) -> str:
    """Return the title of a column: the name of a key, and a few words for an amount."""
    if title := _TITLES.get(name) or _COUNTS.get(name):
        return title
    base, _, side = name.partition("_bytes")
    if not is_amount(name) or name == base:
        return name
    return base.replace("_", " ") + {"": "", "_a": " A", "_b": " B", "_delta": " B-A"}[side]


def shown_cells(table: pd.DataFrame) -> tuple[list[str], list[list[str]], list[bool]]:
    """Return the titles, the texts of the rows, and for each column whether it is an amount."""
    names = shown_columns(table)
    columns = [column_cells(table, name) for name in names]
    rows = [list(row) for row in zip(*columns, strict=True)]
    return [column_title(name) for name in names], rows, [is_amount(name) for name in names]
