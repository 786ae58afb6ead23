# SPDX-License-Identifier: LGPL-2.1-or-later
"""The choice of a source by the user's options."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spo_trace.errors import Argument, UsageError
from spo_trace.sources.backends import STACKS_TIMEOUT, backend_name, default_jobs
from spo_trace.sources.capture import CaptureSource
from spo_trace.sources.dump_input import has_dump
from spo_trace.sources.live import LiveSource
from spo_trace.sources.live_capture import LiveRequest
from spo_trace.sources.memory_plan import check_method
from spo_trace.sources.source import Source

if TYPE_CHECKING:
    from spo_trace.memory.planner import Planner

__all__ = ["captured", "check_method_for", "choose_source"]


def captured(paths: Sequence[str]) -> Source:
    """Return the source of what was saved elsewhere: a dump of memory, or else a capture."""
    if has_dump(paths):
        from spo_trace.sources.dump import DumpSource

        return DumpSource(paths)
    return CaptureSource(paths)


def check_method_for(backend: str, method: str) -> None:
    """Raise UsageError if there is no such method, or if it does not suit the backend."""
    check_method(method)
    if method == "memory" and backend != "live":
        raise UsageError(
            (Argument("method", "memory"), " reads this machine's memory"),
            hint=("leave out ", Argument("method"), ": a dump of memory is recognised by its content"),
        )


def choose_source(
    backend: str | None,
    paths: Sequence[str],
    stage: str | None = None,
    jobs: int | None = None,
    stacks_timeout: float = STACKS_TIMEOUT,
    method: str = "auto",
    planner: "Planner | None" = None,
) -> Source:
    """Return the source that `backend` names; by default a capture if there are paths, else this machine.

    `jobs`: number of parallel readers of this machine's page_owner, by default `default_jobs()`. `stacks_timeout`:
    seconds without data after which reading this machine's page_owner_stacks is abandoned. `method`: one of
    LIVE_METHODS; `memory` is for this machine alone. `planner`: of a series of readings of this machine.
    """
    if stage is not None and backend != "simulator":
        raise UsageError(
            "only the simulator has stages",
            hint=("add ", Argument("backend", "simulator"), ", or leave out ", Argument("stage")),
        )
    name = backend_name(backend, paths)
    check_method_for(name, method)
    if name == "live":
        return LiveSource(LiveRequest(jobs or default_jobs(), stacks_timeout, method=method, planner=planner))
    if name == "capture":
        return captured(paths)
    from spo_trace.sources.simulator import simulated_stage

    return simulated_stage(paths, stage)
