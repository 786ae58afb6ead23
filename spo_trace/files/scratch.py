# SPDX-License-Identifier: LGPL-2.1-or-later
"""A private scratch directory of this process, and the removal of those that killed processes left behind."""

import errno
import fcntl
import logging
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from spo_trace.errors import SpoTraceError
from spo_trace.files.cache import cache_directory
from spo_trace.files.descriptors import open_directory
from spo_trace.printable import printable

__all__ = ["Scratch", "naming_full_disk", "scratch_directory"]

_logger = logging.getLogger(__name__)

_PREFIX = "scratch-"


class Scratch:
    """A private directory that is removed when this object is, or at the end of the process.

    It is in the user's cache, which is more often on a disk than $TMPDIR is. Without a usable cache, it is in $TMPDIR.
    """

    def __init__(self) -> None:
        """Create it, and remove those in the cache whose process was killed."""
        try:
            self.path, lock = _made_in(cache_directory())
        except (SpoTraceError, OSError) as error:
            self.path, lock = Path(tempfile.mkdtemp(prefix="spo-trace-")), None
            _logger.warning("%s; using %s instead", printable(str(error)), printable(str(self.path)))
        weakref.finalize(self, _remove, self.path, lock)


def scratch_directory() -> Path:
    """Return a private directory that is removed when the process ends."""
    return _of_this_process().path


_of_this_process = cache(Scratch)


def _remove(directory: Path, lock: int | None) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    if lock is not None:
        os.close(lock)


# The lock of the cache makes it one step for other processes to create a directory and to lock it.
def _made_in(directory: Path) -> tuple[Path, int]:
    with _opened(directory) as cache_lock:
        if _lock(cache_lock, fcntl.LOCK_EX):
            _sweep(directory)
        made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=directory))
        lock = open_directory(str(made), None)
        _lock(lock, fcntl.LOCK_SH)
        return made, lock


# The kernel releases a lock when its process ends, however it ends. Unlike a process ID, a lock is also seen in another
# container that shares the directory.
def _sweep(directory: Path) -> None:
    for path in directory.glob(f"{_PREFIX}*"):
        with suppress(OSError), _opened(path) as found:
            if os.fstat(found).st_uid == os.geteuid() and _lock(found, fcntl.LOCK_EX | fcntl.LOCK_NB):
                shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _opened(directory: Path) -> Iterator[int]:
    fd = open_directory(str(directory), None)
    try:
        yield fd
    finally:
        os.close(fd)


# NFS does not lock a directory exclusively: there, nothing is swept.
def _lock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind)
    except OSError:
        return False
    return True


_LARGER = (
    "free some space there, or set XDG_CACHE_HOME to a directory on another disk. A snapshot of a capture needs up to "
    "5 % of the size of its text; a capture on standard input needs its own size in addition"
)


@contextmanager
def naming_full_disk() -> Iterator[None]:
    """Raise SpoTraceError, which names the scratch directory, if its disk becomes full in the block."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        why = error.strerror or os.strerror(error.errno)
        raise SpoTraceError(f"the cache {scratch_directory()} cannot be written: {why}", hint=_LARGER) from error
