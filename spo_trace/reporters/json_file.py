# SPDX-License-Identifier: LGPL-2.1-or-later
"""JSON: an array of objects with the column names of the API and plain numbers, or an envelope around it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

import pandas as pd

from spo_trace.reporters.frames import text_of
from spo_trace.schema import HEXADECIMAL

__all__ = ["json_rows", "render_envelope", "render_json", "render_json_lines"]


def render_json(tables: Iterable[pd.DataFrame], outfile: TextIO) -> None:
    """Write the rows of all `tables` as one array, one object per line; missing values are null.

    swp_entry and page_flags are hexadecimal strings: they can exceed 2**53, where JSON readers lose digits.
    """
    separator = "[\n"
    for table in tables:
        for row in json_rows(table):
            outfile.write(separator + json.dumps(row, allow_nan=False))
            separator = ",\n"
    outfile.write("[]\n" if separator == "[\n" else "\n]\n")


def render_envelope(
    table: pd.DataFrame,
    outfile: TextIO,
    *,
    notes: Sequence[tuple[str, str]],
    total: Mapping[str, int | None],
) -> None:
    """Write one object: `notes` (code and text of each), `total`, and the rows of `table` as `render_json` does."""
    objects = [{"code": code, "text": text} for code, text in notes]
    outfile.write(f'{{"notes": {json.dumps(objects)},\n"total": {json.dumps(dict(total), allow_nan=False)},\n"rows": ')
    render_json([table], outfile)
    outfile.write("}\n")


def render_json_lines(table: pd.DataFrame, outfile: TextIO) -> None:
    """Write the rows of `table`, one object per line, so that more rows can follow."""
    for row in json_rows(table):
        outfile.write(json.dumps(row, allow_nan=False) + "\n")


def json_rows(table: pd.DataFrame) -> Iterable[dict[str, Any]]:
    """Yield the rows of `table` as dictionaries of JSON values."""
    names = list(table.columns)
    for values in table.itertuples(index=False, name=None):
        yield {name: _json_value(name, value) for name, value in zip(names, values, strict=True)}


def _json_value(name: str, value: Any) -> Any:
    if value is None or value is pd.NA or value != value:
        return None
    if name in HEXADECIMAL and not isinstance(value, str):
        return hex(value)
    return value.item() if hasattr(value, "item") else text_of(value)
