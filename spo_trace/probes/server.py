# SPDX-License-Identifier: LGPL-2.1-or-later
"""The socket on which `spo-trace trace` sends its open maps to snapshots; only root can use it."""

import fcntl
import json
import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spo_trace.errors import Argument, SpoTraceError
from spo_trace.files.closeable import Closeable
from spo_trace.probes.paths import RUN, SOCKET
from spo_trace.probes.probes import Probes
from spo_trace.version import __version__

__all__ = ["SCRATCH", "TraceServer", "connect", "only_one", "own_directory"]

# Prefix of the loaders' working directories; a loader that is killed leaves its directory behind.
SCRATCH = "loader-"

_LOCK = "lock"
_TIMEOUT_SECONDS = 10
_LONGEST = 1 << 16
_MOST_DESCRIPTORS = 16
# pid, uid, gid of SO_PEERCRED.
_CREDENTIALS = struct.Struct("=iii")

_WITHOUT = (Argument("swap", "none"), " does without it")
_AGAIN = ("restart it: sudo spo-trace trace; ", *_WITHOUT)


class TraceServer(Closeable):
    """Listen while probes are attached; `fileno` becomes readable when a client asks for the maps."""

    def __init__(self, probes: Probes, directory: Path = RUN) -> None:
        """Listen in `directory`; the caller must hold the lock of `only_one`."""
        self._probes = probes
        self._path = own_directory(directory) / SOCKET
        # An old socket has no listener: this process holds the lock.
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.bind(str(self._path))
            self._path.chmod(0o600)
            self._socket.listen()
        except OSError as error:
            self._socket.close()
            raise SpoTraceError(f"cannot listen on {self._path}: {error.strerror}") from error

    def close(self) -> None:
        """Stop listening, and remove the socket."""
        self._path.unlink(missing_ok=True)
        self._socket.close()

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()

    def answer(self) -> None:
        """Send the maps to a client that is root or this user; ignore one that has disconnected."""
        peer, _ = self._socket.accept()
        with peer:
            peer.settimeout(_TIMEOUT_SECONDS)
            if not _trusted(peer):
                return
            message = json.dumps({**self._probes.facts, "version": __version__})
            try:
                socket.send_fds(peer, [message.encode()], self._probes.readable)
            except OSError:
                return


# Whether the peer is root or the same user.
def _trusted(peer: socket.socket) -> bool:
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return _CREDENTIALS.unpack(credentials)[1] in (0, os.geteuid())


def connect(directory: Path = RUN) -> Probes | None:
    """Return the maps of the running trace, None if no trace runs.

    Raise SpoTraceError if it does not send them.
    """
    path = directory / SOCKET
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(_TIMEOUT_SECONDS)
        try:
            peer.connect(str(path))
            if not _trusted(peer):
                raise PermissionError(0, "it does not run as root")
            message, descriptors, _, _ = socket.recv_fds(peer, _LONGEST, _MOST_DESCRIPTORS)
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except ConnectionResetError:
            message, descriptors = b"", []
        except OSError as error:
            why = error.strerror or "it does not answer"
            hint = "run it with sudo" if isinstance(error, PermissionError) else _WITHOUT
            raise SpoTraceError(f"cannot get the maps of the running trace: {why}", hint=hint) from error
    return _take_over(message, list(descriptors))


def _take_over(message: bytes, descriptors: list[int]) -> Probes:
    if _is_whole(message, descriptors):
        return Probes(json.loads(message), descriptors)
    for fd in descriptors:
        os.close(fd)
    if not message:
        raise SpoTraceError("the running trace exited before it answered", hint=_AGAIN)
    raise SpoTraceError(
        f"the running trace sent an answer that spo-trace {__version__} cannot use", hint=("stop it, and ", *_AGAIN)
    )


def _is_whole(message: bytes, descriptors: list[int]) -> bool:
    try:
        facts = json.loads(message)
        return bool(facts["version"] == __version__ and len(descriptors) == len(facts["maps"]) + facts["programs"])
    except (ValueError, KeyError, TypeError):
        return False


@contextmanager
def only_one(directory: Path = RUN) -> Iterator[None]:
    """Hold the lock that allows one trace at a time, and remove the files of killed traces.

    Raise SpoTraceError if another trace runs.
    """
    with (own_directory(directory) / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _another(directory) from None
        for leftover in directory.glob(f"{SCRATCH}*"):
            from shutil import rmtree

            rmtree(leftover, ignore_errors=True)
        yield


def _another(directory: Path) -> SpoTraceError:
    running = connect(directory)
    if running is None:
        return SpoTraceError("another trace is starting", hint="wait for it: one trace serves any number of snapshots")
    with running:
        pid = running.facts["pid"]
    hint = "one trace serves any number of snapshots"
    return SpoTraceError(f"the probes are already attached, by process {pid}", hint=hint)


def own_directory(directory: Path) -> Path:
    """Return `directory`, created if needed; raise SpoTraceError if other users can write to it."""
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        status = directory.lstat()
    except OSError as error:
        raise SpoTraceError(f"{directory} cannot be created: {error.strerror}", hint="run it with sudo") from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise SpoTraceError(
            f"{directory} is not a directory that only root can write to", hint=f"remove it: rm -r {directory}"
        )
    return directory
