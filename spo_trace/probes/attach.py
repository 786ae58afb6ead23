# SPDX-License-Identifier: LGPL-2.1-or-later
"""Attach the probes: run the loader under a Python that has bcc, and receive its open descriptors."""

import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from spo_trace.errors import SpoTraceError
from spo_trace.files.bundled import bpf_program
from spo_trace.machine.facts import Machine
from spo_trace.printable import printable
from spo_trace.probes.loader.messages import LoadAnswer, LoadRequest, Refusal
from spo_trace.probes.paths import RUN
from spo_trace.probes.probes import ProbeFacts, Probes
from spo_trace.probes.server import SCRATCH, own_directory

__all__ = ["NO_BCC", "PYTHONS", "attach", "require_root"]

# bcc is installed for the system's Python, not in a virtual environment. PATH is not searched, because the loader runs
# as root.
PYTHONS = ("/usr/bin/python3", sys.executable)

# The loader itself looks for bcc, because starting another Python takes seconds on a slow machine. It needs Python 3.10
# or later. A bcc that is installed but lacks a library is a different error from no bcc.
_HAS_NO_BCC, _HAS_BROKEN_BCC = 77, 78
_NEEDS_BCC = f"""
import sys
if sys.version_info < (3, 10):
    sys.exit({_HAS_NO_BCC})
try:
    from bcc import BPF
except Exception as error:
    if isinstance(error, ModuleNotFoundError) and error.name == "bcc":
        sys.exit({_HAS_NO_BCC})
    print(f"{{type(error).__name__}}: {{error}}", file=sys.stderr)
    sys.exit({_HAS_BROKEN_BCC})
"""
_START = (
    "import sys; sys.path.append(sys.argv[1]); from spo_trace.probes.loader.load import main; main(int(sys.argv[2]))"
)

_MOST_DESCRIPTORS = 64
_SHOWN_LINES = 12

_logger = logging.getLogger(__name__)
_LONGEST_ANSWER = 1 << 16


def attach(*, max_entries: int, max_restored: int, last_pfn: int, events: bool) -> Probes:
    """Compile and attach the probes; they stay attached as long as the returned Probes are open.

    Raise SpoTraceError, with a hint, if this kernel or machine does not allow it.
    """
    request: LoadRequest = {
        "program": str(bpf_program()),
        "defines": {"MAX_ENTRIES": max_entries, "MAX_RESTORED": max_restored},
        "last_pfn": last_pfn,
        "events": events,
        "debugfs": f"/{Machine().debugfs}",
    }
    answer, descriptors = _ask(request)
    return Probes(cast(ProbeFacts, answer), descriptors)


def require_root() -> None:
    """Raise SpoTraceError unless this process runs as root."""
    if os.geteuid() != 0:
        raise SpoTraceError("only root may attach probes to the kernel", hint="run it with sudo")


# Return the answer of the loader under the first Python that has bcc.
def _ask(request: LoadRequest) -> tuple[LoadAnswer, list[int]]:
    for python in filter(shutil.which, PYTHONS):
        answer = _ask_loader(python, request)
        if answer is not None:
            return answer
    raise SpoTraceError(f"no bcc for Python 3.10 or later in {' or '.join(PYTHONS)}", hint=NO_BCC)


_PACKAGES = "apt install python3-bpfcc (Debian, Ubuntu), dnf install python3-bcc (Fedora), pacman -S python-bcc (Arch)"
NO_BCC = f"install it for the system's own Python: {_PACKAGES}"


# Return None if that Python has no bcc.
def _ask_loader(python: str, request: LoadRequest) -> tuple[LoadAnswer, list[int]] | None:
    ours, theirs = socket.socketpair()
    with ours, theirs, _scratch() as scratch:
        package = str(Path(__file__).parents[2])
        # bcc unpacks the kernel's headers to TMPDIR; in /tmp, their path would be predictable.
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": str(scratch)}
        # -I: neither the environment nor the current directory has an effect.
        command = [python, "-I", "-c", _NEEDS_BCC + _START, package, str(theirs.fileno())]
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
        if not message and loader.returncode == _HAS_NO_BCC:
            return None
        answer: Any = json.loads(message) if message else _died(python, loader.returncode)
        if "error" in answer:
            _show(scratch / "log")
            raise SpoTraceError(answer["error"], hint=answer["hint"])
    return answer, descriptors


def _converse(peer: socket.socket, request: LoadRequest) -> tuple[bytes, list[int]]:
    # If the loader is killed, the connection is reset or ends.
    with contextlib.suppress(ConnectionError):
        peer.sendall(json.dumps(request).encode() + b"\n")
        message, descriptors, _, _ = socket.recv_fds(peer, _LONGEST_ANSWER, _MOST_DESCRIPTORS)
        return message, list(descriptors)
    return b"", []


def _died(python: str, status: int) -> Refusal:
    if status == _HAS_BROKEN_BCC:
        return {"error": f"the bcc of {python} cannot be imported", "hint": f"reinstall it: {_PACKAGES}"}
    return {"error": f"the loader of the probes exited without an answer (status {status})", "hint": _DIED}


# The compiler and the verifier give the reason at the end of their output.
def _show(log: Path) -> None:
    for line in log.read_text(errors="backslashreplace").splitlines()[-_SHOWN_LINES:]:
        _logger.warning("bcc: %s", printable(line))


_DIED = "it was probably killed: the compiler of bcc needs about 140 MB"


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=own_directory(RUN)))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
