# SPDX-License-Identifier: LGPL-2.1-or-later
"""Markdown shows names exactly, and forges find nothing in them to link or to notify."""

import html
import io
import re

import pytest

from spo_trace.reporters.markdown import markdown_note, render_markdown

NAMES = [
    "dd",
    "a|b",
    "||",
    "a\\|b",
    "trailing\\",
    "\\n\\033",
    "<img src=x>",
    "</td></table><script>",
    "&lt;&#64;",
    "*b* _i_ `c`",
    "`",
    "``",
    "```sh",
    "`a",
    "a`",
    " ",
    " a ",
    "[a](http://x)",
    "![a](x)",
    "~~gone~~",
    "@octocat",
    "@org/team",
    "#1",
    "org/repo#1",
    "GH-1",
    "!1",
    "$x$",
    ":smile:",
    "www.example.org",
    "http://example.org",
    "ftp://example.org/a",
    "mailto:a@example.org",
    "a@example.org",
    "0123456789abcdef0123456789abcdef01234567",
    "# title",
    "- item",
    "1. item",
    "> quoted",
    "[x]",
    "[[wiki]]",
]

# What CommonMark, the extensions of GitHub and GitLab's references give a meaning to.
LIVE = re.compile(r"[@#!$~*_`\\<>&\[\]{}|^%]|://|www\.|\w\.\w|\b[0-9a-f]{7,}\b|GH-\d|:\w+:")


def rendered(text: str) -> str:
    """Return the HTML of GitHub's dialect: tables, links without markup, raw HTML."""
    markdown_it = pytest.importorskip("markdown_it", reason="markdown-it-py comes with rich")
    found: str = markdown_it.MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text)
    return found


def live(text: str) -> str:
    """Return the text outside of code, where forges look for mentions and references."""
    return html.unescape(re.sub(r"<[^>]*>", "", re.sub(r"<code>[^<]*</code>", "", text)))


@pytest.mark.parametrize("name", NAMES)
def test_a_cell_is_code_with_the_exact_name(name: str) -> None:
    out = io.StringIO()
    render_markdown(["comm", "mem"], [[name, "4 KiB"], ["x", "0 B"]], [False, True], out)
    page = rendered(out.getvalue())
    cells = re.findall(r"<td[^>]*>(.*)</td>", page)
    assert [html.unescape(cell) for cell in cells] == [f"<code>{name}</code>", "4 KiB", "<code>x</code>", "0 B"]
    assert not LIVE.search(live(page))


def test_a_missing_name_is_not_code() -> None:
    out = io.StringIO()
    render_markdown(["comm", "mem"], [["-", "?"]], [False, True], out)
    assert out.getvalue().splitlines()[2] == "| - | ? |"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "note", ["{}", "The stack {} grew", "no records match --where 'comm == \"{}\"'", "{}: 4 pages."]
)
def test_a_note_reads_the_same_and_nothing_in_it_is_live(note: str, name: str) -> None:
    text = note.format(name)
    page = rendered(f"- {markdown_note(text)}\n")
    # One item of a list, and nothing else.
    item = re.fullmatch(r"<ul>\n<li>(.*)</li>\n</ul>\n", page)
    assert item is not None
    assert re.findall(r"<(\w+)", item[1]) == ["code"] * item[1].count("<code>")
    assert html.unescape(re.sub(r"</?code>", "", item[1])).split() == text.split()
    assert not LIVE.search(live(page))


def test_words_and_numbers_of_a_note_stay_plain() -> None:
    text = "Total: 1,234.50 MiB in memory (12.5%), 3 MiB in swap; it can't tell → --top 0"
    assert markdown_note(text) == text
