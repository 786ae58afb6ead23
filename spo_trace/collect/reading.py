# SPDX-License-Identifier: LGPL-2.1-or-later
"""Read this machine, before anything is parsed: a capture in the output directory, and the maps of a running trace.

This module and what it imports take little memory. `spo-trace snapshot` imports it before numpy, pyarrow or typer: each
page that this process allocates adds a record to what it reads, and under pressure pushes a page of another to swap.
"""

import os
import resource
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, process_time
from typing import TYPE_CHECKING

from spo_trace.collect.relay import Resumed, may_hand_over, run_in_place, take_signals
from spo_trace.errors import UsageError
from spo_trace.files.closeable import Closeable
from spo_trace.files.output_directory import OutputDirectory
from spo_trace.probes.paths import RUN, SOCKET
from spo_trace.sources.live_capture import LiveRequest, ReadProgress, collect_capture
from spo_trace.sources.memory_plan import Choice, choose_method, chosen

if TYPE_CHECKING:
    from spo_trace.probes.readings import MapReadings

__all__ = ["MachineReading", "check_swap_mode", "cpu_seconds", "read_machine"]

SWAP_MODES = ("auto", "debugfs", "bpf", "none")


class MachineReading(Closeable):
    """Hold what was read of this machine; `close` removes the capture.

    `began`: `monotonic()` at the beginning. `cpu`: seconds of processor time used before. `choice`: how owners were
    read. `pids`: of this process, the collector and its children. `trace`: None if no trace runs.
    """

    def __init__(self, request: LiveRequest) -> None:
        self.request = request
        self.began = monotonic()
        self.cpu = cpu_seconds()
        self.choice = Choice()
        self.directory = Path()
        self.pids = frozenset({os.getpid()})
        self.trace: MapReadings | None = None
        self._open = ExitStack()

    def close(self) -> None:
        """Remove the capture, and disconnect from the trace."""
        self._open.close()

    def read(self, output: OutputDirectory, swap: str, progress: ReadProgress | None, target: Path | None) -> None:
        """Read the machine: see `read_machine`."""
        workspace = self._open.enter_context(output.workspace())
        self.choice = choose_method(self.request.method, self.request.root, workspace, self.request.planner)
        self.trace = _running_trace(swap)
        if self.trace:
            self._open.enter_context(self.trace)
        # The maps of a trace are read before and after, by this process.
        if target and not self.trace and may_hand_over():
            run_in_place(output, workspace, target, self.request, self.choice, self.began, self.cpu)
        self.directory = collect_capture(self.request, workspace, progress, self.choice)
        if self.trace:
            self.trace.read_again()
        self._add_pids()

    def take(self, output: OutputDirectory, resumed: Resumed) -> None:
        """Take what the collector read in place of this process."""
        self.began, self.cpu = resumed.began, resumed.cpu
        workspace = self._open.enter_context(output.workspace())
        take_signals()
        self.choice = chosen(workspace)
        self.directory = resumed.captured(workspace)
        self._add_pids()

    def _add_pids(self) -> None:
        self.pids |= {int(pid) for pid in (self.directory / "pids").read_text().split()}
        if self.choice.pid is not None:
            self.pids |= {self.choice.pid}


def read_machine(
    output: OutputDirectory,
    request: LiveRequest,
    *,
    swap: str,
    progress: ReadProgress | None = None,
    target: Path | None = None,
    resumed: Resumed | None = None,
) -> MachineReading:
    """Read this machine into the output directory, which is private until it is complete.

    `swap`: one of SWAP_MODES. `target`: the name of the output, if the collector may take the place of this process,
    which must be a command line. Then this function does not return; `resumed` is what the process that follows finds.

    Raise SpoTraceError if there is no room for the capture, or if `swap` is `bpf` and no trace with owners runs. After
    that and after an interrupt, nothing is left.
    """
    reading = MachineReading(request)
    try:
        if resumed:
            reading.take(output, resumed)
        else:
            reading.read(output, swap, progress, target)
    except BaseException:
        reading.close()
        raise
    return reading


def check_swap_mode(mode: str) -> None:
    """Raise UsageError if there is no such mode of reading the owners of swap."""
    if mode not in SWAP_MODES:
        raise UsageError(f"there is no swap mode {mode!r}", hint=f"choose one of {', '.join(SWAP_MODES)}")


def cpu_seconds() -> float:
    """Return the processor time of this process and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return process_time() + children.ru_utime + children.ru_stime


# The socket is looked for first: without a trace, nothing else of the probes is loaded.
def _running_trace(swap: str) -> "MapReadings | None":
    if swap != "bpf" and not (swap == "auto" and _has_trace()):
        return None
    from spo_trace.probes.readings import running_trace

    return running_trace(swap)


def _has_trace() -> bool:
    return os.path.exists(RUN / SOCKET)  # noqa: PTH110  # False if this user may not look
