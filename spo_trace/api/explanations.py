# SPDX-License-Identifier: LGPL-2.1-or-later
"""The public API for findings: what stands out in a snapshot, between two, or in a recording."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from spo_trace.api.snapshot import SnapshotLike, given_name, opened
from spo_trace.errors import Argument, UsageError

if TYPE_CHECKING:
    from spo_trace.findings.finding import Explanation

__all__ = ["explain"]


def explain(snap: SnapshotLike, other: SnapshotLike | None = None) -> "Explanation":
    """Return what stands out in a snapshot, what changed from it to `other`, or what grows steadily in a series.

    `snap`: a snapshot, a capture, or the directory of a series: a recording (of `watch`), or snapshots or aggregates
    (see `trend`). The result has `findings`, at most
    seven, largest first: each has a `code`, its `text`, `size` in bytes, the `command` that shows the evidence, and an
    `action` or None. `not_checked`: the codes that could not be checked, because the input lacks something. `left_out`:
    the number of smaller findings. docs/explain.md has all codes. Raise UsageError for a series with `other`.

    >>> [finding.code.value for finding in spo.explain("now.spo").findings]
    ['memory-nearly-full', 'tmpfs-memory', 'large-callsite']
    """
    from spo_trace.findings import explain as rules
    from spo_trace.sampling.series import is_series

    if isinstance(snap, str | os.PathLike) and is_series(Path(snap)):
        if other is not None:
            hint = "give the directory alone, or two of its snapshots"
            raise UsageError((Argument("snap"), f" is a directory of samples: {os.fspath(snap)}"), hint=hint)
        return _growth(Path(snap))
    first = opened(snap)
    if other is None:
        return rules.explain(first, given_name(snap, first))
    second = opened(other, "other")
    return rules.explain_change(first, second, (given_name(snap, first), given_name(other, second)))


def _growth(directory: Path) -> "Explanation":
    from spo_trace.analysis.question import Question
    from spo_trace.analysis.trend import trend
    from spo_trace.findings.explain import explain_growth
    from spo_trace.sampling.series import open_series

    series = open_series(directory, Question.of("stack"), default_keys=True)
    return explain_growth(trend(series.table, series.keys), series.keys, str(directory))
