# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sentences of findings, from their typed numbers."""

from collections.abc import Iterable
from string import Formatter

from spo_trace.findings.finding import Finding, NotChecked
from spo_trace.findings.rules import RULES
from spo_trace.reporters.format import format_rate, format_short
from spo_trace.reporters.names import shown_name

__all__ = ["not_checked_text", "sentence"]


def sentence(finding: Finding) -> str:
    """Return a finding as text; names are as displayed, but control characters are not escaped."""
    fields = {name: shown_name(text) for name, text in finding.names.items()}
    for name, amount in finding.numbers.items():
        rate = amount.column.startswith("rate")
        fields[name] = format_rate(amount.value) if rate else format_short(amount.value)
    if "memory" in finding.numbers and finding.numbers["memory"].value:
        fields["share"] = f"{finding.size / finding.numbers['memory'].value:.0%}"
    return next(text for text in RULES[finding.code].sentences if _fields(text) <= fields.keys()).format_map(fields)


def not_checked_text(not_checked: Iterable[NotChecked]) -> str | None:
    """Return one line on the rules that were not checked, None if all were."""
    parts = [f"{', '.join(one.codes)} (without {one.lack.text})" for one in not_checked]
    return f"Not checked: {'; '.join(parts)}" if parts else None


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}
