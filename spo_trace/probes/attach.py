# SPDX-License-Identifier: LGPL-2.1-or-later
"""Attach the probes: run the loader in another process, and receive its open descriptors."""

import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from spo_trace.errors import SpoTraceError
from spo_trace.machine.facts import Machine
from spo_trace.printable import printable
from spo_trace.probes.loader.messages import LoadAnswer, LoadRequest, Refusal
from spo_trace.probes.paths import RUN
from spo_trace.probes.probes import ProbeFacts, Probes
from spo_trace.probes.server import SCRATCH, own_directory
from spo_trace.probes.ways import IS_BROKEN, IS_MISSING, Way, ways

__all__ = ["attach", "require_root"]

_START = (
    "import sys; sys.path.append(sys.argv[1]); from spo_trace.probes.loader.load import main; main(int(sys.argv[2]))"
)

_MOST_DESCRIPTORS = 64
_SHOWN_LINES = 12

_logger = logging.getLogger(__name__)
_LONGEST_ANSWER = 1 << 16


def attach(*, max_entries: int, max_restored: int, last_pfn: int, events: bool, loader: str = "auto") -> Probes:
    """Load and attach the probes; they stay attached as long as the returned Probes are open.

    `loader`: one of LOADERS. Raise SpoTraceError, with a hint, if this kernel or machine does not allow it.
    """
    request: LoadRequest = {
        "loader": "",
        "program": "",
        "sizes": {"entries": max_entries, "restored": max_restored},
        "last_pfn": last_pfn,
        "events": events,
        "debugfs": f"/{Machine().debugfs}",
    }
    answer, descriptors = _ask(request, ways(loader))
    return Probes(cast(ProbeFacts, answer), descriptors)


def require_root() -> None:
    """Raise SpoTraceError unless this process runs as root."""
    if os.geteuid() != 0:
        raise SpoTraceError("only root may attach probes to the kernel", hint="run it with sudo")


# Return the answer of the loader by the first way for which this machine has everything.
def _ask(request: LoadRequest, tried: Sequence[Way]) -> tuple[LoadAnswer, list[int]]:
    for way in tried:
        if way.program is None:
            continue
        request = request | {"loader": way.name, "program": str(way.program)}
        for python in filter(shutil.which, way.pythons):
            answer = _ask_loader(way, python, request)
            if answer is not None:
                return answer
    message = "; ".join(way.missing for way in tried)
    raise SpoTraceError(message, hint="; or ".join(way.packages for way in tried))


# Return None if that Python has no bcc, or the system no libbpf.
def _ask_loader(way: Way, python: str, request: LoadRequest) -> tuple[LoadAnswer, list[int]] | None:
    ours, theirs = socket.socketpair()
    with ours, theirs, _scratch() as scratch:
        package = str(Path(__file__).parents[2])
        # bcc unpacks the kernel's headers to TMPDIR; in /tmp, their path would be predictable.
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": str(scratch)}
        # -I: neither the environment nor the current directory has an effect.
        command = [python, *way.flags, "-c", way.needs + _START, package, str(theirs.fileno())]
        with (
            (scratch / "log").open("w+b") as log,
            subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            ) as loader,
        ):
            theirs.close()
            try:
                message, descriptors = _converse(ours, request)
            except BaseException:
                # The group includes the processes that unpack the headers.
                os.killpg(loader.pid, signal.SIGKILL)
                raise
        if not message and loader.returncode == IS_MISSING:
            return None
        answer: Any = json.loads(message) if message else _died(way, python, loader.returncode)
        if "error" in answer:
            _show(scratch / "log", way.name)
            raise SpoTraceError(answer["error"], hint=answer["hint"])
    return answer, descriptors


def _converse(peer: socket.socket, request: LoadRequest) -> tuple[bytes, list[int]]:
    # If the loader is killed, the connection is reset or ends.
    with contextlib.suppress(ConnectionError):
        peer.sendall(json.dumps(request).encode() + b"\n")
        message, descriptors, _, _ = socket.recv_fds(peer, _LONGEST_ANSWER, _MOST_DESCRIPTORS)
        return message, list(descriptors)
    return b"", []


def _died(way: Way, python: str, status: int) -> Refusal:
    if status == IS_BROKEN:
        return {"error": f"the bcc of {python} cannot be imported", "hint": f"reinstall it; {way.packages}"}
    hint = f"it was probably killed: it needs about {_MEMORY[way.name]} of memory"
    return {"error": f"the loader of the probes exited without an answer (status {status})", "hint": hint}


# The compiler and the verifier give the reason at the end of their output.
def _show(log: Path, name: str) -> None:
    for line in log.read_text(errors="backslashreplace").splitlines()[-_SHOWN_LINES:]:
        _logger.warning("%s: %s", name, printable(line))


_MEMORY = {"libbpf": "40 MB", "bcc": "140 MB"}


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    # Only one trace runs at a time. tempfile would stay in memory as long as it runs.
    directory = own_directory(RUN) / f"{SCRATCH}{os.getpid()}"
    directory.mkdir(mode=0o700)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
