# SPDX-License-Identifier: LGPL-2.1-or-later
"""Attach the probes: ask a loader in another process, and receive its open descriptors."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from spo_trace.errors import SpoTraceError
from spo_trace.machine.facts import Machine
from spo_trace.memory.problem import Problem
from spo_trace.probes.loader.messages import LoadRequest, Refusal
from spo_trace.probes.loader.refusal import check_kernel
from spo_trace.probes.loader_process import IS_BROKEN, IS_MISSING, Ended, load_by_fork, load_by_python
from spo_trace.probes.probes import ProbeFacts, Probes
from spo_trace.probes.ways import PYTHONS, Way, ways
from spo_trace.version import __version__

__all__ = ["attach", "require_root"]

_SHOWN_LINES = 12
_MEMORY = {"libbpf": "40 MB", "bcc": "140 MB"}


def attach(
    *,
    max_entries: int,
    max_restored: int,
    last_pfn: int,
    events: bool,
    show: Callable[[str], None],
    loader: str = "auto",
) -> Probes:
    """Load and attach the probes; they stay attached as long as the returned Probes are open.

    `loader`: one of LOADERS. `show` gets the last lines that bcc or libbpf printed, if it fails. Raise SpoTraceError,
    with a hint, if this kernel or machine does not allow it.
    """
    # What the kernel lacks comes first: nothing that could be installed would help.
    try:
        check_kernel(f"spo-trace {__version__}")
    except Problem as problem:
        raise SpoTraceError(problem.message, hint=problem.hint) from problem
    request: LoadRequest = {
        "loader": "",
        "program": "",
        "sizes": {"entries": max_entries, "restored": max_restored},
        "last_pfn": last_pfn,
        "events": events,
        "debugfs": f"/{Machine().debugfs}",
    }
    return _ask(request, ways(loader), show)


def require_root() -> None:
    """Raise SpoTraceError unless this process runs as root."""
    if os.geteuid() != 0:
        raise SpoTraceError("only root may attach probes to the kernel", hint="run it with sudo")


# Return the probes that were loaded by the first way for which this machine has everything.
def _ask(request: LoadRequest, tried: Sequence[Way], show: Callable[[str], None]) -> Probes:
    for way in tried:
        if way.program is None:
            continue
        for python, ended in _loaded(way.name, request | {"loader": way.name, "program": str(way.program)}):
            if ended.message or ended.status != IS_MISSING:
                return _probes(way, python, ended, show)
    message = "; ".join(way.missing for way in tried)
    raise SpoTraceError(message, hint="; or ".join(way.packages for way in tried))


def _probes(way: Way, python: str, ended: Ended, show: Callable[[str], None]) -> Probes:
    answer: Any = json.loads(ended.message) if ended.message else _died(way, python, ended.status)
    if "error" in answer:
        # The compiler and the verifier give the reason at the end of their output.
        for line in ended.output.splitlines()[-_SHOWN_LINES:]:
            show(f"{way.name}: {line}")
        raise SpoTraceError(answer["error"], hint=answer["hint"])
    return Probes(cast(ProbeFacts, answer), ended.descriptors)


# Yield the Python of each loader, and how it ended.
def _loaded(name: str, request: LoadRequest) -> Iterator[tuple[str, Ended]]:
    if name == "libbpf":
        yield "", load_by_fork(request)
    else:
        for python in PYTHONS:
            if Path(python).is_file() and os.access(python, os.X_OK):
                yield python, load_by_python(python, request)


def _died(way: Way, python: str, status: int) -> Refusal:
    if status == IS_BROKEN:
        return {"error": f"the bcc of {python} cannot be imported", "hint": f"reinstall it; {way.packages}"}
    hint = f"it was probably killed: it needs about {_MEMORY[way.name]} of memory"
    return {"error": f"the loader of the probes exited without an answer (status {status})", "hint": hint}
