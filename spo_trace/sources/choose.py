# SPDX-License-Identifier: LGPL-2.1-or-later
"""The choice of a source by the user's options."""

import os
from collections.abc import Sequence

from spo_trace.errors import Argument, UsageError
from spo_trace.sources.capture import CaptureSource
from spo_trace.sources.dump_input import has_dump
from spo_trace.sources.live import STACKS_TIMEOUT, LiveSource
from spo_trace.sources.source import Source

__all__ = ["BACKENDS", "backend_name", "captured", "choose_source", "default_jobs"]

BACKENDS = ("live", "capture", "simulator")

# A single thread joins the results of all jobs and cannot keep up with more. Each job also keeps text in memory.
_MOST_JOBS = 8


def default_jobs() -> int:
    """Return the default number of parallel readers and parsers: one per usable processor, at most 8."""
    return min(len(os.sched_getaffinity(0)), _MOST_JOBS)


def backend_name(backend: str | None, paths: Sequence[str]) -> str:
    """Return the backend to use; raise UsageError if there is none of this name, or if `paths` do not suit it."""
    name = backend or ("capture" if paths else "live")
    if name not in BACKENDS:
        raise UsageError(f"there is no backend {name!r}", hint=f"choose one of {', '.join(BACKENDS)}")
    if name == "live" and paths:
        raise UsageError(
            ("the live backend reads this machine, not ", Argument("from_")),
            hint=("leave out ", Argument("backend"), " or ", Argument("from_")),
        )
    if name != "live" and not paths:
        raise UsageError(
            (f"the {name} backend needs ", Argument("from_")), hint="name a capture, or a scenario for the simulator"
        )
    return name


def captured(paths: Sequence[str]) -> Source:
    """Return the source of what was saved elsewhere: a dump of memory, or else a capture."""
    if has_dump(paths):
        from spo_trace.sources.dump import DumpSource

        return DumpSource(paths)
    return CaptureSource(paths)


def choose_source(
    backend: str | None,
    paths: Sequence[str],
    stage: str | None = None,
    jobs: int | None = None,
    stacks_timeout: float = STACKS_TIMEOUT,
) -> Source:
    """Return the source that `backend` names; by default a capture if there are paths, else this machine.

    `jobs`: number of parallel readers of this machine's page_owner, by default `default_jobs()`. `stacks_timeout`:
    seconds without data after which reading this machine's page_owner_stacks is abandoned.
    """
    if stage is not None and backend != "simulator":
        raise UsageError(
            "only the simulator has stages",
            hint=("add ", Argument("backend", "simulator"), ", or leave out ", Argument("stage")),
        )
    name = backend_name(backend, paths)
    if name == "live":
        return LiveSource(jobs=jobs or default_jobs(), stacks_timeout=stacks_timeout)
    if name == "capture":
        return captured(paths)
    from spo_trace.sources.simulator import simulated_stage

    return simulated_stage(paths, stage)
