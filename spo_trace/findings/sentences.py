# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sentences of findings, from their typed numbers."""

import shlex
from collections.abc import Iterable
from string import Formatter

from spo_trace.findings.finding import Explanation, Finding, NotChecked
from spo_trace.findings.rules import RULES
from spo_trace.findings.thresholds import MOST_IN_REPORT
from spo_trace.reporters.format import counted, format_rate, format_short
from spo_trace.reporters.names import shown_name

__all__ = ["not_checked_text", "sentence", "summary"]


def sentence(finding: Finding) -> str:
    """Return a finding as text; names are as displayed, but control characters are not escaped."""
    fields = {name: shown_name(text) for name, text in finding.names.items()}
    for name, amount in finding.numbers.items():
        rate = amount.column.startswith("rate")
        fields[name] = format_rate(amount.value) if rate else format_short(amount.value)
    if "memory" in finding.numbers and finding.numbers["memory"].value:
        fields["share"] = f"{finding.size / finding.numbers['memory'].value:.0%}"
    return next(text for text in RULES[finding.code].sentences if _fields(text) <= fields.keys()).format_map(fields)


def summary(found: Explanation | None) -> list[str]:
    """Return the largest findings in a few lines, to precede a report; none without findings."""
    if found is None or not found.all:
        return []
    shown = [finding.text for finding in found.all[:MOST_IN_REPORT]]
    more = len(found.all) - len(shown)
    command = shlex.join(["spo-trace", "explain", *found.all[0].inputs])
    what = f"{counted(more, 'more finding')}, evidence" if more else "Evidence"
    return [*shown, f"{what} and possible actions: {command}"]


def not_checked_text(not_checked: Iterable[NotChecked]) -> str | None:
    """Return one line on the rules that were not checked, None if all were."""
    parts = [f"{', '.join(one.codes)} (without {one.lack.text})" for one in not_checked]
    return f"Not checked: {'; '.join(parts)}" if parts else None


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}
