# SPDX-License-Identifier: LGPL-2.1-or-later
"""Findings as text, Markdown, JSON and HTML."""

import json
from html import escape
from typing import TextIO

from spo_trace.findings.finding import Explanation, Finding
from spo_trace.findings.sentences import not_checked_text
from spo_trace.printable import printable
from spo_trace.reporters.format import counted
from spo_trace.reporters.markdown import markdown_note

__all__ = ["html", "render"]

_NOTHING = "Nothing stands out."


def render(found: Explanation, format: str, outfile: TextIO) -> None:
    """Write findings as text, json or markdown."""
    {"text": _text_document, "json": _json_document, "markdown": _markdown_document}[format](found, outfile)


def _text_document(found: Explanation, outfile: TextIO) -> None:
    """Write each finding with its evidence and a possible action below it."""
    for finding in found.findings:
        lines = [finding.text, f"    {finding.command}", *([f"    → {finding.action}"] if finding.action else [])]
        outfile.write("".join(f"{printable(line)}\n" for line in lines))
    outfile.write("".join(f"{printable(line)}\n" for line in _closing(found)))


def _markdown_document(found: Explanation, outfile: TextIO) -> None:
    """Write a list of findings."""
    for finding in found.findings:
        action = f" {markdown_note(finding.action)}" if finding.action else ""
        fence = "``" if "`" in finding.command else "`"
        outfile.write(f"- {markdown_note(finding.text)}{action}\n")
        outfile.write(f"  {fence}{printable(finding.command)}{fence}\n")
    outfile.write("".join(f"\n{markdown_note(line)}\n" for line in _closing(found)))


def _json_document(found: Explanation, outfile: TextIO) -> None:
    """Write one object: `findings` (code, text, bytes, numbers, names, evidence, action), `not_checked`, `left_out`."""
    document = {
        "findings": [_object(finding) for finding in found.findings],
        "not_checked": [
            {"code": code, "reason": one.lack.value, "text": f"the input lacks {one.lack.text}"}
            for one in found.not_checked
            for code in one.codes
        ],
        "left_out": found.left_out,
    }
    outfile.write(json.dumps(document, indent=1, allow_nan=False) + "\n")


def html(found: Explanation) -> str:
    """Return findings as an HTML list, with all texts escaped; empty without findings."""
    items = (
        f"<li>{_text(finding.text)}{f' <i>{_text(finding.action)}</i>' if finding.action else ''}"
        f"<code>{_text(finding.command)}</code></li>"
        for finding in found.findings
    )
    return f'<ul class="findings">{"".join(items)}</ul>' if found.findings else ""


def _closing(found: Explanation) -> list[str]:
    lines = [] if found.findings else [_NOTHING]
    if found.left_out:
        lines.append(f"{counted(found.left_out, 'smaller finding is', 'smaller findings are')} left out.")
    unchecked = not_checked_text(found.not_checked)
    return [*lines, *([unchecked] if unchecked else [])]


def _object(finding: Finding) -> dict[str, object]:
    return {
        "code": finding.code.value,
        "text": finding.text,
        "bytes": finding.size,
        "numbers": {name: amount.value for name, amount in finding.numbers.items()},
        "names": dict(finding.names),
        "evidence": finding.command,
        "action": finding.action,
    }


def _text(text: str) -> str:
    return escape(printable(text))
