# SPDX-License-Identifier: LGPL-2.1-or-later
"""The names of the sources, and what applies if the user does not choose."""

import os
from collections.abc import Sequence

from spo_trace.errors import Argument, UsageError

__all__ = ["BACKENDS", "STACKS_TIMEOUT", "backend_name", "default_jobs"]

BACKENDS = ("live", "capture", "simulator")

# Seconds without data after which reading page_owner_stacks is abandoned.
STACKS_TIMEOUT = 10.0

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
