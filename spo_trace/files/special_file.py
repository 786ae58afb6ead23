# SPDX-License-Identifier: LGPL-2.1-or-later
"""Output to what is not a regular file: a device, a FIFO, or a descriptor that the shell opened (`>(…)`)."""

import errno
import fcntl
import os
import re
import stat
from pathlib import Path

from spo_trace.errors import Argument, SpoTraceError
from spo_trace.files.accounts import caller
from spo_trace.files.descriptors import cannot_write, open_parent

__all__ = ["is_descriptor", "open_special"]

# Without O_CREAT, nothing is created. With O_NONBLOCK, a FIFO without a reader is an error (ENXIO) instead of a wait.
_EXISTING = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

# These are links in /proc. The descriptor itself is used, so no name is looked up that another user could change.
_DESCRIPTOR = re.compile(r"/(?:dev/fd|proc/self/fd)/([0-9]{1,9})")
_STANDARD = {"/dev/stdout": 1, "/dev/stderr": 2}

_NAME_A_FILE = ("name a new file with ", Argument("output"))


def is_descriptor(target: Path) -> bool:
    """Return whether `target` is a name of an open descriptor: /dev/stdout, /dev/stderr, /dev/fd/N."""
    return _number(target) is not None


def open_special(target: Path) -> int | None:
    """Open `target` for writing if it is a character device, a FIFO or a descriptor; None if it is none of them.

    Raise SpoTraceError for a FIFO of another user, a FIFO without a reader, and for anything else that exists.
    """
    number = _number(target)
    if number is not None:
        return _inherited(target, number)
    try:
        mode = target.lstat().st_mode
    except OSError:
        return None
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode):
        return None
    parent = open_parent(target)
    try:
        return _open(target, parent)
    finally:
        os.close(parent)


def _number(target: Path) -> int | None:
    match = _DESCRIPTOR.fullmatch(str(target))
    return int(match[1]) if match else _STANDARD.get(str(target))


# Descriptors that spo-trace opened itself are closed on exec; those of the shell are not.
def _inherited(target: Path, number: int) -> int:
    try:
        own = number > 2 and fcntl.fcntl(number, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
        if own or fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return os.dup(number)
    except OSError as error:
        hint = "sudo closes all descriptors but the standard ones: use a pipe (… | COMMAND) instead"
        raise SpoTraceError(f"{target} is not open for writing", hint=hint) from error


# What was checked by name can be replaced before it is opened, so check what is open.
def _open(target: Path, parent: int) -> int:
    try:
        fd = os.open(target.name, _EXISTING, dir_fd=parent)
    except OSError as error:
        # Also the error for a socket, and for a device without a driver.
        if error.errno == errno.ENXIO and target.is_fifo():
            hint = f"start the reader first, for example: cat {target}"
            raise SpoTraceError(f"no program reads from {target}", hint=hint) from error
        raise cannot_write(target, error, _NAME_A_FILE) from error
    try:
        _check(target, os.fstat(fd))
        # From now on, a write waits until the reader has made room.
        os.set_blocking(fd, True)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _check(target: Path, status: os.stat_result) -> None:
    if stat.S_ISCHR(status.st_mode):
        return
    if not stat.S_ISFIFO(status.st_mode):
        raise SpoTraceError(f"{target} is neither a file, a FIFO nor a character device", hint=_NAME_A_FILE)
    if status.st_uid not in _trusted():
        hint = "make a FIFO of your own, use a pipe (… | COMMAND), or name a new file"
        raise SpoTraceError(f"{target} is a FIFO of another user (uid {status.st_uid})", hint=hint)


# Another user's FIFO would hand them the report, or make the command wait for ever.
def _trusted() -> set[int]:
    trusted = {0, os.geteuid()}
    if os.geteuid() == 0:
        try:
            account = caller(os.environ)
        except ValueError:
            account = None
        if account:
            trusted.add(account.uid)
    return trusted
