# SPDX-License-Identifier: LGPL-2.1-or-later
"""A table and its notes in one document."""

from collections.abc import Mapping, Sequence
from typing import TextIO

import pandas as pd

from spo_trace.printable import printable
from spo_trace.reporters.csv_file import render_csv
from spo_trace.reporters.json_file import render_envelope, render_json
from spo_trace.reporters.markdown import render_markdown_notes
from spo_trace.reporters.table import render_table

__all__ = ["render_document", "render_notes"]


def render_document(
    table: pd.DataFrame,
    format: str,
    outfile: TextIO,
    *,
    notes: Sequence[tuple[str, str]] = (),
    total: Mapping[str, int | None] | None = None,
    csv_safe: bool = False,
) -> None:
    """Write `table` as `format`: table, markdown, csv, json or envelope.

    `notes` (code and text of each) follow a table in text or Markdown. An envelope contains them and `total`; csv and
    json have no notes. `csv_safe`: no text of a csv is a formula.
    """
    match format:
        case "csv":
            render_csv([table], outfile, safe=csv_safe)
        case "json":
            render_json([table], outfile)
        case "envelope":
            render_envelope(table, outfile, notes=notes, total=total or {})
        case _:
            render_table(table, outfile, markdown=format == "markdown")
            render_notes([text for _, text in notes], format, outfile)


def render_notes(notes: Sequence[str], format: str, outfile: TextIO) -> None:
    """Write `notes` below a table in text or Markdown, after an empty line."""
    if format == "markdown":
        render_markdown_notes(notes, outfile)
    elif notes:
        outfile.write("\n" + "".join(f"{printable(note)}\n" for note in notes))
