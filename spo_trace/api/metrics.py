# SPDX-License-Identifier: LGPL-2.1-or-later
"""The public API for metrics."""

import io

from spo_trace.analysis.arguments import number_of, series_of
from spo_trace.analysis.metrics import snapshot_metrics
from spo_trace.api.snapshot import SnapshotLike, opened, timeout_of
from spo_trace.reporters.openmetrics import render_openmetrics
from spo_trace.sampling.machine_metrics import read_metrics
from spo_trace.sources.backends import STACKS_TIMEOUT, default_jobs
from spo_trace.sources.live_capture import LiveRequest
from spo_trace.sources.memory_plan import check_method

__all__ = ["metrics"]


def metrics(
    snap: SnapshotLike | None = None,
    *,
    top: int = 20,
    method: str = "auto",
    jobs: int | None = None,
    stacks_timeout: float = STACKS_TIMEOUT,
) -> str:
    """Return memory and swap by comm, memcg, category and module as OpenMetrics text (docs/metrics.md).

    `snap`: a snapshot or a capture; None: this machine, which is read now. `method`, `jobs` and `stacks_timeout` are
    for this machine, as for `snapshot`. `top`: the largest owners of each key that have a series; all others are summed
    in the series `(rest)`. Unknown amounts are absent. Raise UsageError for a `top` that is not from 1 to 1,000,
    SpoTraceError if no owners are known.

    >>> print(spo.metrics("now.spo", top=1).splitlines()[3])
    spo_trace_memory_bytes 22425600
    """
    count = series_of(top)
    check_method(method)
    readers, timeout = number_of(jobs, "jobs", least=1), timeout_of(stacks_timeout)
    if snap is None:
        found, _ = read_metrics(LiveRequest(readers or default_jobs(), timeout, method=method), count)
    else:
        found = snapshot_metrics(opened(snap), count)
    text = io.StringIO()
    render_openmetrics(found, text)
    return text.getvalue()
