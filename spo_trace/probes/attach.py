# SPDX-License-Identifier: LGPL-2.1-or-later
"""Attach the probes: run the loader under a Python that has bcc, and take over what it opened."""

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
from spo_trace.probes.loader.messages import LoadAnswer, LoadRequest, Refusal
from spo_trace.probes.probes import ProbeFacts, Probes
from spo_trace.probes.server import RUN, SCRATCH, own_directory

__all__ = ["NO_BCC", "PYTHONS", "attach", "require_root"]

# bcc belongs to the system's Python, which is not the one of a virtual environment. Not looked for along PATH: it
# runs as root.
PYTHONS = ("/usr/bin/python3", sys.executable)

# The loader looks for bcc itself: another Python just for that takes seconds of a slow machine. Its own code is for
# 3.10 and later. A bcc that is installed but lacks a library is another error than no bcc.
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
    """Compile and attach the probes; they stay for as long as what is returned is open.

    Raise SpoTraceError with a hint on how to fix it if this kernel or machine does not let them.
    """
    request: LoadRequest = {
        "program": str(bpf_program()),
        "defines": {"MAX_ENTRIES": max_entries, "MAX_RESTORED": max_restored},
        "last_pfn": last_pfn,
        "events": events,
    }
    answer, descriptors = _ask(request)
    return Probes(cast(ProbeFacts, answer), descriptors)


def require_root() -> None:
    """Raise SpoTraceError for anybody else."""
    if os.geteuid() != 0:
        raise SpoTraceError("only root may attach probes to the kernel", hint="run it with sudo")


# Gives what the loader answers under the first Python that has bcc.
def _ask(request: LoadRequest) -> tuple[LoadAnswer, list[int]]:
    for python in filter(shutil.which, PYTHONS):
        said = _ask_loader(python, request)
        if said is not None:
            return said
    raise SpoTraceError(f"no bcc for Python 3.10 or later in {' or '.join(PYTHONS)}", hint=NO_BCC)


_PACKAGES = "apt install python3-bpfcc (Debian, Ubuntu), dnf install python3-bcc (Fedora), pacman -S python-bcc (Arch)"
NO_BCC = f"install it for the system's own Python: {_PACKAGES}"


# Gives None if that Python has no bcc.
def _ask_loader(python: str, request: LoadRequest) -> tuple[LoadAnswer, list[int]] | None:
    ours, theirs = socket.socketpair()
    with ours, theirs, _scratch() as scratch:
        package = str(Path(__file__).parents[2])
        # bcc unpacks the kernel's headers there, and would do so under a name known in advance in /tmp.
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": str(scratch)}
        # Isolated: neither the environment nor the directory it is run in has a say.
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
                # With what unpacks the headers for it.
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
    # Killed, it resets the connection or ends it.
    with contextlib.suppress(ConnectionError):
        peer.sendall(json.dumps(request).encode() + b"\n")
        message, descriptors, _, _ = socket.recv_fds(peer, _LONGEST_ANSWER, _MOST_DESCRIPTORS)
        return message, list(descriptors)
    return b"", []


def _died(python: str, status: int) -> Refusal:
    if status == _HAS_BROKEN_BCC:
        return {"error": f"the bcc of {python} can't be imported", "hint": f"install it again: {_PACKAGES}"}
    return {"error": f"the loader of the probes ended without an answer (status {status})", "hint": _DIED}


# The end of what the compiler and the verifier said is where they say why.
def _show(log: Path) -> None:
    for line in log.read_text(errors="backslashreplace").splitlines()[-_SHOWN_LINES:]:
        _logger.warning("bcc: %s", line)


_DIED = "was it killed, or short of memory? bcc's compiler takes some 140 MB"


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=own_directory(RUN)))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
