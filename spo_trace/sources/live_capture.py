# SPDX-License-Identifier: LGPL-2.1-or-later
"""Collect a capture of this machine, by the collector in a process of its own.

This module and what it imports take little memory: while the kernel is read, nothing else is loaded.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from spo_trace.errors import Argument, SpoTraceError
from spo_trace.native.collector import PATH
from spo_trace.sources.bare_python import bare_python
from spo_trace.sources.collector_process import CollectorFailed, run
from spo_trace.sources.memory_plan import Choice, plan_in

if TYPE_CHECKING:
    from spo_trace.memory.planner import Planner

__all__ = [
    "CAPTURE",
    "LiveRequest",
    "ReadProgress",
    "cannot_read",
    "captured_in",
    "collect_capture",
    "compiled_command",
]

# Name of a file, position of the next record, last position (None: unknown).
ReadProgress = Callable[[str, int, int | None], None]

# As in the collector: more readers do not finish earlier.
_MAX_READERS = 8
_MAX_SECONDS = 86400.0

CAPTURE = "capture"

_ELSEWHERE = ("is there room on the disk? Choose another directory with ", Argument("output"))


class LiveRequest(NamedTuple):
    """Hold how this machine is to be read: `jobs` parallel readers, below the root directory `root`.

    `stacks_timeout`: seconds without data after which page_owner_stacks is left out. `method`: one of LIVE_METHODS.
    `planner`: of the series that this reading belongs to, None for a single one.
    """

    jobs: int
    stacks_timeout: float
    root: Path = Path("/")
    method: str = "auto"
    planner: "Planner | None" = None


def collect_capture(
    request: LiveRequest, into: int, progress: ReadProgress | None = None, choice: Choice | None = None
) -> Path:
    """Collect a capture into the open directory `into`, and return its path, which is valid in this process.

    `choice`: made in the same directory, by default to read text. The capture exists even if no owners could be read;
    its .err files have the reasons. Raise SpoTraceError if there is none. An interrupt ends the collector, and leaves
    nothing that `into` does not contain.
    """
    last = _last_pfn(request.root) if progress else None
    try:
        run(_commands(request, plan_in(into, choice or Choice())), into, CAPTURE, _reporter(progress, last))
    except CollectorFailed as failed:
        raise cannot_read(failed) from failed
    return captured_in(into)


def captured_in(directory: int) -> Path:
    """Return the path of the capture in an open directory."""
    return Path(f"/proc/self/fd/{directory}") / CAPTURE


def cannot_read(failed: CollectorFailed) -> SpoTraceError:
    """Return the error for a collector that left no capture."""
    return SpoTraceError(f"this machine could not be read: {failed}", hint=_ELSEWHERE)


def compiled_command(request: LiveRequest, terminal: int | None = None, plan: str | None = None) -> list[str]:
    """Return the command that runs the compiled collector; its directory is missing.

    `terminal`: a descriptor on which it draws its progress. `plan`: the path of a plan to read memory.
    """
    options = [] if plan is None else ["-m", plan]
    progress = [] if terminal is None else ["-p", str(terminal), "-l", str(_last_pfn(request.root) or 0)]
    return [str(PATH), *_options(request), *options, *progress]


# Python for where there is no compiler, or the program is of another architecture. It cannot read memory.
def _commands(request: LiveRequest, plan: str | None) -> list[list[str]]:
    compiled = compiled_command(request, plan=plan)
    return [compiled] if plan else [compiled, [*bare_python("spo_trace.collector.main"), *_options(request)]]


def _options(request: LiveRequest) -> list[str]:
    options = ["-j", str(min(request.jobs, _MAX_READERS)), "-t", f"{min(request.stacks_timeout, _MAX_SECONDS):.3f}"]
    return options if request.root == Path("/") else [*options, "-r", str(request.root.absolute())]


def _reporter(progress: ReadProgress | None, last: int | None) -> Callable[[Sequence[str]], None]:
    def report(words: Sequence[str]) -> None:
        if progress is not None and len(words) == 2 and words[1].isdecimal():
            progress(words[0], int(words[1]), last if words[0] == "page_owner" else None)

    return report


# Where page_owner ends: positions in it are PFNs since Linux 6.1, and count from the lowest PFN before.
def _last_pfn(root: Path) -> int | None:
    spanned, last = 0, None
    try:
        with (root / "proc/zoneinfo").open("rb") as file:
            for line in file:
                words = line.split()
                if words[:1] == [b"spanned"]:
                    spanned = int(words[1])
                elif words[:1] == [b"start_pfn:"]:
                    last = max(last or 0, int(words[1]) + spanned)
    except (OSError, ValueError, IndexError):
        return None
    return last or None
