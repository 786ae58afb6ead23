# SPDX-License-Identifier: LGPL-2.1-or-later
"""The process that loads the probes, and what it answers: a fork of this one for libbpf, another Python for bcc.

Neither leaves memory in this process, which runs as long as the probes are attached.
"""

import ctypes
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple, NoReturn

from spo_trace.probes.loader.messages import LoadRequest
from spo_trace.probes.paths import RUN
from spo_trace.probes.server import SCRATCH, own_directory
from spo_trace.probes.ways import LIBBPF

__all__ = ["IS_BROKEN", "IS_MISSING", "Ended", "load_by_fork", "load_by_python"]

# The loader itself looks for what it needs, because starting another Python takes seconds on a slow machine. It needs
# Python 3.10 or later. A bcc that is installed but lacks a library is a different error from no bcc.
IS_MISSING, IS_BROKEN = 77, 78

_NEEDS_BCC = f"""
import sys
if sys.version_info < (3, 10):
    sys.exit({IS_MISSING})
try:
    from bcc import BPF
except Exception as error:
    if isinstance(error, ModuleNotFoundError) and error.name == "bcc":
        sys.exit({IS_MISSING})
    print(f"{{type(error).__name__}}: {{error}}", file=sys.stderr)
    sys.exit({IS_BROKEN})
"""

_START = (
    "import sys; sys.path.append(sys.argv[1]); from spo_trace.probes.loader.load import main; main(int(sys.argv[2]))"
)

_MOST_DESCRIPTORS = 64
_LONGEST_ANSWER = 1 << 16


class Ended(NamedTuple):
    """Hold what is left of a loader: its exit status, its answer (empty without one), and all that it printed."""

    status: int
    message: bytes
    descriptors: list[int]
    output: str


def load_by_fork(request: LoadRequest) -> Ended:
    """Answer a request for libbpf; the status is IS_MISSING if the system has no libbpf."""
    ours, theirs = socket.socketpair()
    with ours, theirs, os.fdopen(os.memfd_create("log"), "w+b") as log:
        # The fork is not to print a second time what is in the buffers.
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        pid = os.fork()
        if not pid:
            _run_and_exit(theirs.detach(), log.fileno())
        theirs.close()
        try:
            message, descriptors = _converse(ours, request)
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            raise
        finally:
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return Ended(status, message, descriptors, _printed(log))


# Whatever happens, nothing of what this process would do next is done in its fork.
def _run_and_exit(channel: int, log: int) -> NoReturn:
    status = 1
    try:
        os.setsid()
        for output in (1, 2):
            os.dup2(log, output)
        sys.stdout = sys.stderr = os.fdopen(2, "w", errors="backslashreplace")
        _close_all_but(channel)
        status = _run(channel)
    except BaseException:  # noqa: BLE001
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    finally:
        os._exit(status)


# The fork keeps neither the other end of its connection open, nor the lock of the trace if that is killed.
def _close_all_but(channel: int) -> None:
    for fd in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
        if fd > 2 and fd != channel:
            with suppress(OSError):
                os.close(fd)


def _run(channel: int) -> int:
    try:
        ctypes.CDLL(LIBBPF)
    except OSError:
        return IS_MISSING
    from spo_trace.probes.loader.load import main

    main(channel)
    return 0


def load_by_python(python: str, request: LoadRequest) -> Ended:
    """Answer a request for bcc under another Python.

    The status is IS_MISSING if it has no bcc or is too old, and IS_BROKEN if its bcc cannot be imported.
    """
    import subprocess

    ours, theirs = socket.socketpair()
    with ours, theirs, _scratch() as scratch, (scratch / "log").open("w+b") as log:
        # bcc unpacks the kernel's headers to TMPDIR; in /tmp, their path would be predictable.
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": str(scratch)}
        # -I: neither the environment nor the current directory has an effect.
        command = [python, "-I", "-c", _NEEDS_BCC + _START, str(Path(__file__).parents[2]), str(theirs.fileno())]
        with subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        ) as loader:
            theirs.close()
            try:
                message, descriptors = _converse(ours, request)
            except BaseException:
                # The group includes the processes that unpack the headers.
                os.killpg(loader.pid, signal.SIGKILL)
                raise
        return Ended(loader.returncode, message, descriptors, _printed(log))


def _converse(peer: socket.socket, request: LoadRequest) -> tuple[bytes, list[int]]:
    # If the loader is killed, the connection is reset or ends.
    with suppress(ConnectionError):
        peer.sendall(json.dumps(request).encode() + b"\n")
        message, descriptors, _, _ = socket.recv_fds(peer, _LONGEST_ANSWER, _MOST_DESCRIPTORS)
        return message, list(descriptors)
    return b"", []


def _printed(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode("utf-8", "backslashreplace")


@contextmanager
def _scratch() -> Iterator[Path]:
    # Only one trace runs at a time. tempfile would stay in memory as long as it runs.
    directory = own_directory(RUN) / f"{SCRATCH}{os.getpid()}"
    directory.mkdir(mode=0o700)
    try:
        yield directory
    finally:
        # A start with libbpf does not need it, and takes less time without.
        from shutil import rmtree

        rmtree(directory, ignore_errors=True)
