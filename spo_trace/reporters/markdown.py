# SPDX-License-Identifier: LGPL-2.1-or-later
"""Markdown: a table, and a list of notes below it."""

from collections.abc import Sequence
from typing import TextIO

from spo_trace.reporters.format import printable

__all__ = ["render_markdown", "render_markdown_notes"]


def render_markdown(
    titles: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool], outfile: TextIO
) -> None:
    """Write a table; `right`: for each column, whether it is aligned to the right."""
    outfile.write(_line(titles))
    outfile.write(_line(["---:" if r else "---" for r in right]))
    for row in rows:
        outfile.write(_line([_text(cell) for cell in row]))


def render_markdown_notes(notes: Sequence[str], outfile: TextIO) -> None:
    """Write a list of `notes` after an empty line."""
    outfile.write("\n" if notes else "")
    for note in notes:
        outfile.write(f"- {_text(printable(note))}\n")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"


# Any user can choose a comm: escape what is markup in Markdown or HTML.
def _text(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{char}" if char in "\\|`*_[]~" else char for char in text)
