# SPDX-License-Identifier: LGPL-2.1-or-later
r"""Comma-separated values, with the column names of the API and plain numbers.

CSV has no types, and does not distinguish an empty text from a missing value, so readers guess. Values that they would
guess wrong are escaped: an empty text is written as two quotation marks, and a name or hash that looks like a number, a
boolean, a time or a missing value (`null`, `007`) has its first character written as `\ooo`, which
`spo_trace.formats.escape.unescape` reverses.

Spreadsheets run cells that begin with =, +, - or @ as formulas, and any user can choose a name. With `safe`, such a
text gets an apostrophe in front, and all texts are quoted, so that no separator inside one begins a new cell (OWASP,
"CSV Injection"). Numbers stay numbers.
"""

import csv
import re
from collections.abc import Iterable
from functools import partial
from typing import Literal, TextIO

import pandas as pd

from spo_trace.printable import printable
from spo_trace.reporters.cells import STACK_KEYS
from spo_trace.reporters.frames import text_of
from spo_trace.schema import HEXADECIMAL

__all__ = ["render_csv"]

_EMPTY = '""'

# Names that users can choose, and hashes that may consist of decimal digits by chance.
_NAMES = frozenset({"comm", "kernel_comm", "memcg", "stack_hash", "symbol_hash"})

# Also in full width, which some spreadsheets take as the same characters. Tab and CR are escaped anyway.
_FORMULA = re.compile(" *[-=+@\uff0b\uff0d\uff1d\uff20]")

_MISREAD = re.compile(
    r'""|[-+.,:/\deTZ _]*\d[-+.,:/\deTZ _]*'
    r"|[-+]?(nan|inf|infinity)|-?1\.#(ind|qnan)|#?n/a|#n/a n/a|#?na|<na>|null|none|true|false",
    re.ASCII | re.IGNORECASE,
)


def render_csv(tables: Iterable[pd.DataFrame], outfile: TextIO, *, header: bool = True, safe: bool = False) -> None:
    """Write the rows of all `tables` (with the same columns), after a line of titles if `header`.

    Missing values are empty. swp_entry and page_flags are hexadecimal, as in JSON. `safe`: no text is a formula.
    """
    quoting: Literal[0, 2] = csv.QUOTE_NONNUMERIC if safe else csv.QUOTE_MINIMAL
    for number, table in enumerate(tables):
        columns = {name: _column(name, table[name], safe=safe) for name in table.columns}
        plain = pd.DataFrame(columns, index=table.index)
        plain.to_csv(outfile, index=False, header=header and number == 0, lineterminator="\n", quoting=quoting)


def _column(name: str, column: pd.Series, *, safe: bool) -> pd.Series:
    if pd.api.types.is_integer_dtype(column.dtype):
        return column.map(hex, na_action="ignore").astype(object) if name in HEXADECIMAL else column
    if not (pd.api.types.is_string_dtype(column.dtype) or column.dtype == object):
        return column
    if name in STACK_KEYS:
        column = column.map(text_of)
    text_in_file = partial(_text, name, safe=safe)
    changed = {text: new for text in column.dropna().unique() if (new := text_in_file(text)) != text}
    return column.map(lambda text: changed.get(text, text), na_action="ignore") if changed else column


def _text(name: str, text: object, *, safe: bool) -> object:
    if not isinstance(text, str):
        return text
    if text == "":
        return _EMPTY
    text = printable(text)
    if name in _NAMES and _MISREAD.fullmatch(text):
        return f"\\{ord(text[0]):03o}{text[1:]}"
    return f"'{text}" if safe and _FORMULA.match(text) else text
