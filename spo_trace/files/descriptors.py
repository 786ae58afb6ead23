# SPDX-License-Identifier: LGPL-2.1-or-later
"""Operations on files and directories by descriptor, so that planted links are never followed."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePosixPath

from spo_trace.errors import Argument, SpoTraceError, Text
from spo_trace.files.regular import open_regular

__all__ = [
    "begins_with",
    "cannot_write",
    "create",
    "exists",
    "hidden_name",
    "is_leftover",
    "make_directory",
    "names",
    "open_below",
    "open_directory",
    "open_parent",
    "remove",
    "remove_tree",
    "replaced_meanwhile",
    "same_file",
    "sync",
    "sync_names",
]

_OWN_DIRECTORY = ("choose a directory that you own with ", Argument("output"))

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_PREFIX = ".spo-trace-"
_SUFFIX = ".tmp"


def cannot_write(target: Path, error: OSError, hint: Text = _OWN_DIRECTORY) -> SpoTraceError:
    """Return the error for a `target` that can't be written."""
    return SpoTraceError(f"{target} can't be written: {error.strerror}", hint=hint)


def replaced_meanwhile(target: Path | str) -> SpoTraceError:
    """Return the error for a `target` whose name leads to something else than what was opened or created."""
    return SpoTraceError(f"{target} was replaced by another program while it was being written", hint=_OWN_DIRECTORY)


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


@contextmanager
def open_below(directories: Iterable[str], parent: int) -> Iterator[int]:
    """Open a directory below an open one, one name after another, none of which may be a link or `..`."""
    with ExitStack() as stack:
        for name in directories:
            if name == "..":
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), name)
            parent = open_directory(name, parent)
            stack.callback(os.close, parent)
        yield parent


def make_directory(name: str, parent: int) -> int:
    """Create and open a private directory; raise SpoTraceError if somebody replaced it in between."""
    os.mkdir(name, 0o700, dir_fd=parent)
    fd = open_directory(name, parent)
    # A user who may write to `parent` can put another directory there, even one of ours that contains files.
    status = os.fstat(fd)
    if status.st_uid != os.geteuid() or status.st_mode & 0o077 or names(fd):
        os.close(fd)
        raise SpoTraceError(f"{name} was replaced while being created", hint=_OWN_DIRECTORY)
    return fd


def create(name: str, parent: int) -> int:
    """Create a private file and open it for writing; raise FileExistsError if the name exists."""
    return os.open(name, _CREATE, 0o600, dir_fd=parent)


def names(directory: int) -> list[str]:
    """Return the names in an open directory."""
    return os.listdir(directory)


def begins_with(start: bytes, name: str, parent: int) -> bool:
    """Return whether `name` is a regular file that begins with `start`, or is empty."""
    try:
        with open_regular(name, parent) as file:
            return file.read(len(start)) in (start, b"")
    except OSError:
        return False


def exists(name: str, parent: int) -> bool:
    """Return whether an open directory has the name `name`, even if it is a link that leads nowhere."""
    try:
        os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def same_file(name: str, parent: int, fd: int) -> bool:
    """Return whether `name` in the directory `parent` is the open file `fd`."""
    try:
        return os.path.samestat(os.stat(name, dir_fd=parent, follow_symlinks=False), os.fstat(fd))
    except FileNotFoundError:
        return False


def remove(files: Iterable[str], directory: int) -> None:
    """Remove `files`, paths below an open directory, and the directories that are then empty, as far as possible."""
    paths = [PurePosixPath(file) for file in files]
    for path in paths:
        with suppress(OSError), open_below(path.parts[:-1], directory) as parent:
            os.unlink(path.name, dir_fd=parent)
    emptied = {above for path in paths for above in path.parents if above.name}
    for path in sorted(emptied, key=lambda path: len(path.parts), reverse=True):
        with suppress(OSError), open_below(path.parts[:-1], directory) as parent:
            os.rmdir(path.name, dir_fd=parent)


def remove_tree(name: str, parent: int) -> None:
    """Remove a private directory with everything in it, as far as possible."""
    with suppress(OSError):
        directory = open_directory(name, parent)
        try:
            for _, directories, files, fd in os.fwalk(dir_fd=directory, topdown=False):
                for file in files:
                    os.unlink(file, dir_fd=fd)
                for emptied in directories:
                    os.rmdir(emptied, dir_fd=fd)
        finally:
            os.close(directory)
        os.rmdir(name, dir_fd=parent)


def sync(directory: int) -> None:
    """Flush an open directory and everything in it to disk."""
    for _, _, files, fd in os.fwalk(dir_fd=directory):
        for name in files:
            with open_regular(name, fd) as file:
                os.fsync(file.fileno())
        os.fsync(fd)


def sync_names(directory: int) -> None:
    """Flush the names in an open directory to disk, if this user may read the directory."""
    with suppress(PermissionError):
        fd = open_directory(".", directory)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def hidden_name() -> str:
    """Return an unpredictable hidden name, short enough for any file system.

    A name that is chosen before the file exists allows the caller to clean up after an interrupt at any point.
    """
    # Not from `secrets`, which loads OpenSSL.
    return f"{_PREFIX}{os.urandom(8).hex()}{_SUFFIX}"


def is_leftover(name: str) -> bool:
    """Return whether `name` is one of `hidden_name`: a killed command leaves it behind."""
    return name.startswith(_PREFIX) and name.endswith(_SUFFIX)
