# SPDX-License-Identifier: LGPL-2.1-or-later
"""A group of options is one parameter of a command, and single options for typer."""

import inspect
from typing import Any

from spo_trace.cli import diff, report
from spo_trace.cli.option_groups import DocumentOptions, QuestionOptions, grouped


def test_a_command_gets_the_groups_and_typer_the_options() -> None:
    calls: list[tuple[Any, ...]] = []

    def command(name: str, asked: QuestionOptions, document: DocumentOptions = DocumentOptions()) -> None:  # noqa: B008
        """Record a call."""
        calls.append((name, asked, document))

    flat = grouped(command)
    names = list(inspect.signature(flat).parameters)
    assert names == ["name", "by", "where", "top", "format", "output", "envelope", "csv_safe", "owner", "mode", "force"]
    assert (flat.__name__, flat.__doc__) == ("command", "Record a call.")
    flat("x", by=["comm"], force=True)
    assert calls == [("x", QuestionOptions(by=["comm"]), DocumentOptions(force=True))]


def test_report_and_diff_have_the_same_options() -> None:
    ours, theirs = (set(inspect.signature(module.command).parameters) for module in (report, diff))
    assert ours - {"snapshot", "no_findings"} == theirs - {"a", "b", "match", "fail_above"}
