# SPDX-License-Identifier: LGPL-2.1-or-later
"""Findings that rules propose, with the rows that they are about, so that the same memory is not named twice."""

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from spo_trace.findings.codes import Code
from spo_trace.findings.finding import Amount, Finding, NotChecked, Query
from spo_trace.findings.owners import Owners
from spo_trace.findings.thresholds import SAME_MEMORY

__all__ = ["Candidate", "Checked", "candidate", "without_repetition"]


class Candidate(NamedTuple):
    """Hold a proposed finding, and a mask of the rows of `Owners` that it is about (None: not about owners)."""

    finding: Finding
    rows: "pd.Series | None" = None


Checked = Candidate | NotChecked

# A more specific rule may already name the memory of these.
_GENERAL = frozenset({Code.LARGE_PROCESS, Code.LARGE_MEMCG, Code.LARGE_MODULE, Code.LARGE_CALLSITE})


def candidate(
    code: Code,
    size: int,
    numbers: Mapping[str, Amount],
    evidence: Query,
    names: Mapping[str, str] | None = None,
    rows: "pd.Series | None" = None,
) -> Candidate:
    """Return a proposed finding."""
    return Candidate(Finding(code, size, numbers, evidence, names or {}), rows)


def without_repetition(found: list[Candidate], owners: Owners) -> list[Candidate]:
    """Return the candidates, without large owners most of whose memory an earlier candidate names already."""
    kept: list[Candidate] = []
    for one in found:
        if one.rows is None or one.finding.code not in _GENERAL or not _is_named(one.rows, kept, owners):
            kept.append(one)
    return kept


def _is_named(rows: "pd.Series", kept: list[Candidate], owners: Owners) -> bool:
    size = owners.bytes_of("total_bytes", rows)
    named = (other.rows for other in kept if other.rows is not None)
    return any(owners.bytes_of("total_bytes", rows & other) >= SAME_MEMORY * size for other in named)
