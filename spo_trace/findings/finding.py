# SPDX-License-Identifier: LGPL-2.1-or-later
"""A finding: a code, typed numbers with the query that gives each of them, names, and the evidence."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from spo_trace.findings.codes import Code, Lack
from spo_trace.findings.thresholds import MOST_FINDINGS

__all__ = ["FIRST", "Amount", "Explanation", "Finding", "NotChecked", "Query", "Side"]

# Options of a command that shows evidence: the first rows are enough.
FIRST = ("--top", "5")


class Side(Enum):
    """Name the function of the API that answers a query; `value` is its command."""

    REPORT = "report"
    DIFF = "diff"
    TREND = "trend"
    VERIFY = "verify"


@dataclass(frozen=True, slots=True)
class Query:
    """Hold a question to a snapshot, to the difference of two, or to a recording.

    `options`: further words of the command line, such as the order of the rows; they do not change any number.
    """

    by: tuple[str, ...] = ()
    where: str | None = None
    side: Side = Side.REPORT
    options: tuple[str, ...] = ()

    def command(self, inputs: Sequence[str]) -> str:
        """Return the command line that answers the query for these snapshots."""
        words = ["spo-trace", self.side.value, *inputs]
        words += ["--by", ",".join(self.by)] if self.by else []
        words += ["--where", self.where] if self.where else []
        return shlex.join([*words, *self.options])


@dataclass(frozen=True, slots=True)
class Amount:
    """Hold an amount (bytes, or bytes per second) and its source.

    `query`: the question whose answer has it in `column`, in the row with the keys `owner`. Without a query, `column`
    names a value of /proc.
    """

    value: int
    column: str
    query: Query | None = None
    owner: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """Hold one finding; `size` (bytes) is what findings are ordered by.

    `numbers` and `names` are the fields of the sentence. `inputs`: the snapshots or the recording, as commands name
    them.
    """

    code: Code
    size: int
    numbers: Mapping[str, Amount]
    evidence: Query
    names: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Return the finding as one or two sentences."""
        from spo_trace.findings.sentences import sentence

        return sentence(self)

    @property
    def action(self) -> str | None:
        """Return what can be done about it, None if there is nothing in general."""
        from spo_trace.findings.rules import RULES

        return RULES[self.code].action

    @property
    def command(self) -> str:
        """Return the command line that shows the evidence."""
        return self.evidence.command(self.inputs)


@dataclass(frozen=True, slots=True)
class NotChecked:
    """Hold the codes of rules that were not checked, because the input lacks something."""

    lack: Lack
    codes: tuple[Code, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Hold all findings, largest first, and the rules that could not be checked."""

    all: Sequence[Finding]
    not_checked: Sequence[NotChecked] = ()

    @property
    def findings(self) -> Sequence[Finding]:
        """Return the largest findings: more than seven are not read."""
        return self.all[:MOST_FINDINGS]

    @property
    def left_out(self) -> int:
        """Return the number of further findings, which are smaller."""
        return len(self.all) - len(self.findings)

    @property
    def codes(self) -> frozenset[Code]:
        """Return the codes of all findings."""
        return frozenset(finding.code for finding in self.all)

    def _repr_html_(self) -> str:
        from spo_trace.findings.documents import html

        return html(self)
