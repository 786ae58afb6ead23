# SPDX-License-Identifier: LGPL-2.1-or-later
"""Operations on files and directories by descriptor, so that planted links are never followed."""

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from spo_trace.errors import Argument, SpoTraceError, Text

__all__ = [
    "cannot_write",
    "create",
    "empty",
    "make_directory",
    "names",
    "open_directory",
    "open_parent",
    "same_file",
    "sync",
    "sync_names",
    "unforeseen",
]

_OWN_DIRECTORY = ("choose a directory that you own with ", Argument("output"))

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def cannot_write(target: Path, error: OSError, hint: Text = _OWN_DIRECTORY) -> SpoTraceError:
    """Return the error for a `target` that can't be written."""
    return SpoTraceError(f"{target} can't be written: {error.strerror}", hint=hint)


def open_parent(target: Path) -> int:
    """Open the directory of `target`, following links to it; raise SpoTraceError if there is none.

    The descriptor is for access to names in the directory only; the user need not be allowed to list it.
    """
    try:
        return os.open(target.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise cannot_write(target, error) from error


def open_directory(name: str, parent: int | None) -> int:
    """Open a directory; fail if it is a link."""
    return os.open(name, _DIRECTORY, dir_fd=parent)


def make_directory(name: str, parent: int) -> int:
    """Create and open a private directory; raise SpoTraceError if somebody replaced it in between."""
    os.mkdir(name, 0o700, dir_fd=parent)
    fd = open_directory(name, parent)
    # A user who may write to `parent` can put another directory there, even one of ours that contains files.
    if names(fd) or os.fstat(fd).st_uid != os.geteuid() or os.fstat(fd).st_mode & 0o077:
        os.close(fd)
        raise SpoTraceError(f"{name} was replaced while being created", hint=_OWN_DIRECTORY)
    return fd


def create(name: str, parent: int) -> int:
    """Create a private file and open it for writing; raise FileExistsError if the name exists."""
    return os.open(name, _CREATE, 0o600, dir_fd=parent)


def names(directory: int) -> list[str]:
    """Return the names in an open directory."""
    return os.listdir(directory)


def same_file(name: str, parent: int, fd: int) -> bool:
    """Return whether `name` in the directory `parent` is the open file `fd`."""
    try:
        return os.path.samestat(os.stat(name, dir_fd=parent, follow_symlinks=False), os.fstat(fd))
    except FileNotFoundError:
        return False


def empty(directory: int) -> None:
    """Remove everything in an open directory, as far as possible."""
    with suppress(OSError):
        for name in names(directory):
            try:
                os.unlink(name, dir_fd=directory)
            except OSError:
                shutil.rmtree(name, ignore_errors=True, dir_fd=directory)


def sync(directory: int) -> None:
    """Flush an open directory and everything in it to disk."""
    for _, _, files, fd in os.fwalk(dir_fd=directory):
        for name in files:
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
            try:
                os.fsync(file)
            finally:
                os.close(file)
        os.fsync(fd)


def sync_names(directory: int) -> None:
    """Flush the names in an open directory to disk, if this user may read the directory."""
    with suppress(PermissionError):
        fd = open_directory(".", directory)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def unforeseen(name: str, purpose: str) -> str:
    """Return an unpredictable hidden name derived from `name`.

    A name that is chosen before the file exists allows the caller to clean up after an interrupt at any point.
    """
    return f".{name}.{purpose}-{secrets.token_hex(8)}"
