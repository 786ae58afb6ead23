# SPDX-License-Identifier: LGPL-2.1-or-later
"""A table and its notes in one document."""

from collections.abc import Mapping, Sequence
from typing import TextIO

import pandas as pd

from spo_trace.printable import printable
from spo_trace.reporters.csv_file import render_csv
from spo_trace.reporters.json_file import render_envelope, render_json
from spo_trace.reporters.markdown import markdown_note
from spo_trace.reporters.table import render_table

__all__ = ["render_document", "render_notes"]


def render_document(
    table: pd.DataFrame,
    format: str,
    outfile: TextIO,
    *,
    notes: Sequence[tuple[str, str]] = (),
    findings: Sequence[str] = (),
    total: Mapping[str, int | None] | None = None,
    csv_safe: bool = False,
) -> None:
    """Write `table` as `format`: table, markdown, csv, json or envelope.

    `findings` precede a table in text or Markdown, `notes` (code and text of each) follow it. An envelope contains
    notes and `total`; csv and json have neither. `csv_safe`: no text of a csv is a formula.
    """
    match format:
        case "csv":
            render_csv([table], outfile, safe=csv_safe)
        case "json":
            render_json([table], outfile)
        case "envelope":
            render_envelope(table, outfile, notes=notes, total=total or {})
        case _:
            render_notes(findings, format, outfile, above=True)
            render_table(table, outfile, markdown=format == "markdown")
            render_notes([text for _, text in notes], format, outfile)


def render_notes(notes: Sequence[str], format: str, outfile: TextIO, *, above: bool = False) -> None:
    """Write `notes` below or `above` a table in text or Markdown, with an empty line in between."""
    if not notes:
        return
    outfile.write("" if above else "\n")
    for note in notes:
        outfile.write(f"- {markdown_note(note)}\n" if format == "markdown" else f"{printable(note)}\n")
    outfile.write("\n" if above else "")
