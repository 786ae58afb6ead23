# SPDX-License-Identifier: LGPL-2.1-or-later
"""The relay of `spo-trace snapshot`: the collector takes the place of this process, and starts it again afterwards.

A waiting Python would have some 10 MiB that page_owner lists, and that are taken from others. So the command line
checks everything, creates the output directory, and runs the collector in place of itself (execve(2)). The collector
runs the same command line again, which finds in the environment what was handed over. Signals that end this process are
blocked until then (native/collect/then.c), so that one that arrives meanwhile is taken when all can be removed.
"""

import json
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from spo_trace.files.descriptors import exists
from spo_trace.files.handover import Handover
from spo_trace.files.output_directory import OutputDirectory
from spo_trace.limits import MAX_ERROR_BYTES
from spo_trace.sources.collector_process import CollectorFailed, why_failed
from spo_trace.sources.live_capture import CAPTURE, LiveRequest, cannot_read, captured_in, compiled_command
from spo_trace.sources.memory_plan import Choice, plan_in

__all__ = ["Resumed", "may_hand_over", "resumed", "run_in_place", "take_signals"]

_BEGUN, _STATUS = "SPO_TRACE_BEGUN", "SPO_COLLECT_STATUS"
_COMM = Path("/proc/self/comm")
_ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class Resumed(NamedTuple):
    """Hold what the first run of this command line handed over, and how the collector ended.

    `target`: the name of the output. `began`, `cpu`: see MachineReading. `messages`: a descriptor of an unnamed file.
    """

    target: Path
    handover: Handover
    began: float
    cpu: float
    messages: int
    status: int

    def captured(self, workspace: int) -> Path:
        """Return the path of the capture in an open directory; raise SpoTraceError if there is none."""
        said = os.pread(self.messages, MAX_ERROR_BYTES, max(os.fstat(self.messages).st_size - MAX_ERROR_BYTES, 0))
        os.close(self.messages)
        if not exists(CAPTURE, workspace):
            raise cannot_read(CollectorFailed(why_failed(os.waitstatus_to_exitcode(self.status), said)))
        return captured_in(workspace)


def may_hand_over() -> bool:
    """Return whether this process is nothing but a command line, which can be started again."""
    given = sys.argv[1:]
    return (
        os.path.isabs(sys.executable)  # noqa: PTH117
        # Who starts a program may drop privileges that were needed for that.
        and os.access(sys.executable, os.X_OK)
        and len(sys.orig_argv) > len(given)
        and sys.orig_argv[len(sys.orig_argv) - len(given) :] == given
        and threading.active_count() == 1
    )


def run_in_place(
    output: OutputDirectory,
    workspace: int,
    target: Path,
    request: LiveRequest,
    choice: Choice,
    began: float,
    cpu: float,
) -> None:
    """Run the collector in place of this process; return only if it cannot be executed."""
    try:
        messages = os.memfd_create("spo-collect", 0)
    except OSError:
        return
    terminal = os.dup(2) if os.isatty(2) else None
    if terminal is not None:
        os.set_inheritable(terminal, True)
    os.set_inheritable(workspace, True)
    state = {
        "target": str(target),
        "handover": output.handed_over(),
        "began": began,
        "cpu": cpu,
        "messages": messages,
        "comm": _COMM.read_text(),
    }
    command = [
        *compiled_command(request, terminal, plan_in(workspace, choice)),
        *("-e", str(messages), "-x", "--", f"/proc/self/fd/{workspace}/{CAPTURE}"),
        *(sys.executable, *sys.orig_argv[1:]),
    ]
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        os.execve(command[0], command, {**os.environ, _BEGUN: json.dumps(state)})  # noqa: S606
    except OSError:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    finally:
        for fd in (messages, terminal):
            if fd is not None:
                os.close(fd)


def resumed() -> Resumed | None:
    """Return what was handed over if the collector has started this command line, None if a user did."""
    begun, status = os.environ.pop(_BEGUN, None), os.environ.pop(_STATUS, None)
    if begun is None or status is None:
        return None
    with suppress(ValueError, KeyError, TypeError):
        state = json.loads(begun)
        handover = Handover(*state["handover"])
        # The name of a script that the kernel started, for ps(1); this time, it started Python.
        with suppress(OSError):
            _COMM.write_text(state["comm"])
        return Resumed(Path(state["target"]), handover, state["began"], state["cpu"], state["messages"], int(status))
    return None


def take_signals() -> None:
    """Take the signals that arrived while the collector ran."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
