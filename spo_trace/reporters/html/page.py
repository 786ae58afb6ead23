# SPDX-License-Identifier: LGPL-2.1-or-later
"""Build an HTML report from template, styles, scripts, vendored libraries and data: one file that loads nothing."""

import json
import re
from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files
from typing import Any, TextIO

from spo_trace.printable import printable
from spo_trace.reporters.format import format_size

__all__ = ["amount", "facts_list", "notes_list", "text", "tiles", "write_page"]

_HERE = files("spo_trace.reporters.html")
_VENDORED = files("spo_trace.reporters.vendor")

_LIBRARIES = ("d3.min.js", "d3-flamegraph.umd.min.js")
_SCRIPTS = (
    *("dom.js", "format.js", "copy.js", "data.js", "link.js"),
    *("tree.js", "colours.js", "flame.js", "actions.js", "keys.js"),
    *("table.js", "treemap.js", "stacks.js"),
)
_SCRIPTS_OF = {"report": ("owners.js", "ages.js", "report.js"), "diff": ("changes.js", "diff.js")}


def write_page(outfile: TextIO, kind: str, parts: dict[str, str], data: dict[str, Any]) -> None:
    """Write the report of `kind` (`report` or `diff`): `parts` is HTML for its placeholders, `data` is for its scripts.

    All placeholders are filled in one pass, so that none is expanded inside the content of another.
    """
    filled = parts | {"kind": kind, "style": _read("style.css"), "scripts": _scripts(kind), "data": _json(data)}
    filled |= {"flame_controls": _read("flame_controls.html"), "flame_graph": _read("flame_graph.html")}
    body = _fill(_read(f"{kind}.html"), filled)
    outfile.write(_fill(_read("page.html"), filled | {"body": body}))


def text(value: object) -> str:
    """Return `value` escaped for HTML, with control characters escaped: the texts of a snapshot are not trusted."""
    return escape(printable(str(value)))


def amount(size: int, *, signed: bool = False) -> str:
    """Return an element with a readable size, and the exact bytes for programs."""
    return f'<data value="{size}" title="{size:,} bytes">{format_size(size, signed=signed)}</data>'


def facts_list(facts: Iterable[tuple[str, object]]) -> str:
    """Return a line of names and values; unknown values are left out."""
    known = (f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in facts if value)
    return f'<dl class="facts">{"".join(known)}</dl>'


def notes_list(notes: Iterable[str]) -> str:
    """Return one paragraph per note."""
    return "".join(f'<p class="note">{text(note)}</p>' for note in notes)


def tiles(sizes: Mapping[str, int | None], *, signed: bool = False) -> str:
    """Return amounts in large figures with their titles; None is unknown."""
    each = (
        f"<div>{'<b>unknown</b>' if size is None else amount(size, signed=signed)}<span>{text(title)}</span></div>"
        for title, size in sizes.items()
    )
    return f'<div class="tiles">{"".join(each)}</div>'


def _read(name: str) -> str:
    return _HERE.joinpath(name).read_text(encoding="utf-8")


def _fill(template: str, parts: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda name: parts[name[1]], template)


# A function around the scripts keeps their names out of the global scope.
def _scripts(kind: str) -> str:
    libraries = [_VENDORED.joinpath(name).read_text(encoding="utf-8") for name in _LIBRARIES]
    ours = "\n".join(_read(name) for name in (*_SCRIPTS, *_SCRIPTS_OF[kind], "app.js"))
    return "\n".join([*libraries, f'(() => {{\n"use strict";\n{ours}\n}})();'])


# Inside a script element, HTML interprets only "</script" and "<!--"; escaping "<" avoids both.
def _json(data: dict[str, Any]) -> str:
    return json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
