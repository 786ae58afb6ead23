# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files and pipes that the user names as input."""

import errno
import io
import os
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from spo_trace.errors import Call, SpoTraceError, Text
from spo_trace.files import regular
from spo_trace.files.bundled import scenarios
from spo_trace.files.scratch import scratch_directory
from spo_trace.limits import MAX_DIRECTORY_ENTRIES, MAX_SPOOLED_BYTES, MIN_FREE_BYTES
from spo_trace.sources.compression import Rewound

__all__ = ["entries", "open_file", "open_regular", "spooled", "standard_input"]

_STEP = 1 << 20


# Not sys.stdin.buffer: if a thread still waits in a read of it at exit, its lock makes Python abort.
def standard_input() -> BinaryIO:
    """Open standard input; raise SpoTraceError if it is closed."""
    if sys.stdin is None:
        raise SpoTraceError("standard input is closed", hint="name a file instead of -")
    try:
        return cast(BinaryIO, os.fdopen(os.dup(sys.stdin.buffer.fileno()), "rb", buffering=0))
    except io.UnsupportedOperation:  # a program replaced sys.stdin
        return sys.stdin.buffer


def open_file(path: str) -> BinaryIO:
    """Open a file of the user; raise SpoTraceError if that fails."""
    try:
        return Path(path).open("rb")
    except OSError as error:
        hint: Text = "check the path"
        if path in scenarios():
            call = Call("snapshot", from_=path, backend="simulator", output=f"{path}.spo")
            hint = (f"the simulator has a scenario {path}: ", call)
        raise SpoTraceError(f"{path} can't be read: {error.strerror}", hint=hint) from error


def open_regular(path: Path) -> BinaryIO:
    """Open a file of a directory, which may belong to another user; raise SpoTraceError if it is not a regular file."""
    try:
        return regular.open_regular(path, follow_links=True)
    except OSError as error:
        copy = error.errno == errno.EINVAL
        hint = "name a copy of the capture that only you can change" if copy else "check its permissions"
        raise SpoTraceError(f"{path} can't be read: {error.strerror}", hint=hint) from error


def entries(directory: Path) -> list[Path]:
    """Return the entries of a directory, at most MAX_DIRECTORY_ENTRIES, in order of name."""
    return sorted(islice(directory.iterdir(), MAX_DIRECTORY_ENTRIES))


def spooled(raw: Rewound) -> str:
    """Copy a pipe to a private file, which can be read more than once; return its path.

    Raise SpoTraceError if it is larger than MAX_SPOOLED_BYTES, or does not fit the disk.
    """
    with tempfile.NamedTemporaryFile(dir=scratch_directory(), delete=False) as file:
        try:
            _copy(raw, cast(BinaryIO, file))
        except BaseException:
            # Scratch files are removed at exit only, and the disk may be full.
            Path(file.name).unlink()
            raise
    return file.name


def _copy(raw: Rewound, file: BinaryIO) -> None:
    directory = Path(file.name).parent
    size = 0
    try:
        while piece := raw.read(_STEP):
            size += len(piece)
            if size > MAX_SPOOLED_BYTES:
                raise _too_large(f"the archive from the pipe has more than {MAX_SPOOLED_BYTES >> 30} GiB")
            if not _has_room(directory, len(piece)):
                raise _too_large(f"the archive from the pipe does not fit the disk of {directory}")
            file.write(piece)
        file.flush()
    except OSError as error:
        raise _too_large(f"the archive from the pipe can't be copied to {directory}: {error.strerror}") from error


def _has_room(directory: Path, size: int) -> bool:
    disk = os.statvfs(directory)
    reserve = min(MIN_FREE_BYTES, disk.f_blocks * disk.f_frsize // 10)
    return disk.f_bavail * disk.f_frsize - size >= reserve


def _too_large(message: str) -> SpoTraceError:
    return SpoTraceError(
        message, hint="write it to a file and name that file, or set XDG_CACHE_HOME to a directory on a larger disk"
    )
