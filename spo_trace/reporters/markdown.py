# SPDX-License-Identifier: LGPL-2.1-or-later
"""Markdown: a table, and a list of notes below it.

Names are untrusted, and forges make more of a text than CommonMark says: @mentions, #references, links, hashes of
commits. GitHub and GitLab look for these after backslashes and entities are resolved, but never inside code. Therefore
names are code spans, which also show them exactly.
"""

import re
from collections.abc import Sequence
from typing import TextIO

from spo_trace.printable import printable

__all__ = ["markdown_note", "render_markdown"]

# Words, options and numbers of a note that are shown as they are; anything else may be a name.
_PLAIN = re.compile(r"[A-Za-z]+(['’-][A-Za-z]+)*|--[a-z]+(-[a-z]+)*|[+±−]?\d{1,3}(,\d{3})*(\.\d+)?%?|[…→–]*", re.ASCII)

# A word of a note: punctuation, the word itself, punctuation.
_WORD = re.compile(r"""([("']*)(.*?)([)"'.,:;?!]*)""", re.DOTALL)


def render_markdown(
    titles: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[bool], outfile: TextIO
) -> None:
    """Write a table; `numbers`: for each column, whether it has amounts, aligned to the right; others have names."""
    outfile.write(_line(titles))
    outfile.write(_line(["---:" if number else "---" for number in numbers]))
    for row in rows:
        cells = (cell if number or cell == "-" else _code(cell) for cell, number in zip(row, numbers, strict=True))
        outfile.write(_line([cell.replace("|", "\\|") for cell in cells]))


def markdown_note(note: str) -> str:
    """Return a sentence as Markdown, in which each word that may be a name is code."""
    return " ".join(map(_word, printable(note).split(" ")))


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"


def _word(word: str) -> str:
    parts = _WORD.fullmatch(word)
    assert parts is not None
    before, core, after = parts.groups()
    # "1." would begin an item of a list.
    plain = _PLAIN.fullmatch(core) and not (core.isdigit() and after)
    return f"{before}{core if plain else _code(core)}{after}"


# The fence is longer than any run of backticks inside. CommonMark removes one space from both ends if there are two.
def _code(text: str) -> str:
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    edge = " " if "`" in (text[:1], text[-1:]) or (text[:1] == text[-1:] == " " and text.strip()) else ""
    return f"{fence}{edge}{text}{edge}{fence}"
