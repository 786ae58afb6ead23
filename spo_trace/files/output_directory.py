# SPDX-License-Identifier: LGPL-2.1-or-later
"""An output directory, such as a snapshot: it appears under its name only when it is complete."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple, Self

from spo_trace.errors import Argument, SpoTraceError
from spo_trace.files.access import OWN, Access
from spo_trace.files.closeable import Closeable
from spo_trace.files.descriptors import (
    cannot_write,
    create,
    empty,
    make_directory,
    open_directory,
    open_parent,
    same_file,
    sync,
    sync_names,
    unforeseen,
)
from spo_trace.files.output_file import replacement

__all__ = ["Kind", "OutputDirectory", "check_target"]


class Kind(NamedTuple):
    """A kind of output directory: its name in messages, and a test.

    `holds`: whether an open directory is of this kind. Other directories are not replaced.
    """

    name: str
    holds: Callable[[int], bool]


class OutputDirectory(Closeable):
    """Write a directory that is private until `commit`; without `commit`, `close` removes it.

    All operations use descriptors. Until `commit` the directory belongs to the process's user, so that nobody else can
    put anything into it. `commit` sets its owner, its mode and, as the last step, its name.
    """

    def __init__(self, target: Path, kind: Kind, *, access: Access = OWN, force: bool = False) -> None:
        """Raise SpoTraceError if `target` exists and may not be replaced."""
        check_target(target, kind, force=force)
        self._target = target
        # `.` and `x/..` are not names that another directory can be renamed to.
        self._place = target if target.name not in ("", "..") else target.resolve()
        self._kind = kind
        self._access = access
        self._force = force
        self._temporary = unforeseen(self._place.name, "tmp")
        self._parent: int | None = None
        self._fd: int | None = None

    def __enter__(self) -> Self:
        """Create the directory under a temporary name; raise SpoTraceError if that fails."""
        # Not in the constructor: an interrupt before the `with` statement would leave the directory behind.
        try:
            self._parent = open_parent(self._place)
            self._grant = self._access.grant_in(self._parent, self._target)
            try:
                self._fd = make_directory(self._temporary, self._parent)
            except OSError as error:
                raise cannot_write(self._target, error) from error
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Remove the directory unless it was committed."""
        if self._parent is None:
            return
        if self._fd is None:
            with suppress(OSError):
                os.rmdir(self._temporary, dir_fd=self._parent)
        else:
            if same_file(self._temporary, self._parent, self._fd):
                empty(self._fd)
                with suppress(OSError):
                    os.rmdir(self._temporary, dir_fd=self._parent)
            os.close(self._fd)
        os.close(self._parent)
        self._parent = self._fd = None

    def create(self, name: str) -> BinaryIO:
        """Create a file and open it for writing; a name such as `a/b/c` also creates the directories."""
        *directories, last = PurePosixPath(name).parts
        assert self._fd is not None
        if ".." in directories or last == ".." or name.startswith("/"):
            raise SpoTraceError(f"{name!r} is not a valid name for a file in {self._target}")
        with ExitStack() as stack:
            parent = self._fd
            for directory in directories:
                parent = stack.enter_context(self._opened(directory, parent))
            fd = create(last, parent)
        try:
            # Other users cannot open it yet, because the directory is private.
            self._grant.apply(fd)
            return os.fdopen(fd, "wb")
        except BaseException:
            os.close(fd)
            raise

    def reopen(self, name: str) -> BinaryIO:
        """Open a file that was created here for reading."""
        return os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._fd), "rb")

    def move(self, name: str, to: str) -> None:
        """Give a file that was created here another name, and replace the one that has it."""
        os.rename(name, to, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    @contextmanager
    def _opened(self, name: str, parent: int) -> Iterator[int]:
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=parent)
        fd = open_directory(name, parent)
        try:
            self._grant.apply(fd)
            yield fd
        finally:
            os.close(fd)

    def commit(self) -> None:
        """Set the directory's owner, mode and name; raise SpoTraceError if the name exists and can't be replaced."""
        assert self._fd is not None and self._parent is not None
        sync(self._fd)
        self._grant.apply(self._fd)
        name = self._place.name
        check_target(name, self._kind, force=self._force, parent=self._parent, shown=self._target)
        if _exists(name, self._parent):
            self._replace(self._parent)
        else:
            os.rename(self._temporary, name, src_dir_fd=self._parent, dst_dir_fd=self._parent)
        sync_names(self._parent)

    # rename(2) replaces only empty directories, so move the old one aside first.
    def _replace(self, parent: int) -> None:
        name = self._place.name
        aside = unforeseen(name, "old")
        fd = make_directory(aside, parent)
        try:
            os.rename(name, "old", src_dir_fd=parent, dst_dir_fd=fd)
            # Check again, in a directory where nobody else can replace it.
            check_target("old", self._kind, force=True, parent=fd, shown=self._target)
            os.rename(self._temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
            empty(fd)
        except BaseException:
            if _exists("old", fd) and not _exists(name, parent):
                os.rename("old", name, src_dir_fd=fd, dst_dir_fd=parent)
            raise
        finally:
            os.close(fd)
            # This fails, as it should, if the old directory could not be moved back.
            with suppress(OSError):
                os.rmdir(aside, dir_fd=parent)

    def add(self, name: str, content: bytes) -> None:
        """Add a file after `commit`, even if the directory was moved; the file appears when it is complete."""
        assert self._fd is not None
        with replacement(self._fd, name, self._grant) as file:
            file.write(content)


def check_target(
    target: Path | str, kind: Kind, *, force: bool, parent: int | None = None, shown: Path | None = None
) -> None:
    """Raise SpoTraceError if `target` (in the open directory `parent`, if given) exists and can't be replaced."""
    title = shown or target
    try:
        status = os.stat(target, dir_fd=parent, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return
    if stat.S_ISLNK(status.st_mode):
        raise SpoTraceError(f"{title} is a symbolic link", hint="links are not followed: give the directory itself")
    if not stat.S_ISDIR(status.st_mode) or not _holds(kind, str(target), parent):
        raise SpoTraceError(f"{title} exists and is not {kind.name}", hint="choose another name")
    if not force:
        raise SpoTraceError(
            f"{title} exists", hint=("choose another name, or replace it with ", Argument("force", True))
        )


def _holds(kind: Kind, name: str, parent: int | None) -> bool:
    fd = open_directory(name, parent)
    try:
        return kind.holds(fd)
    finally:
        os.close(fd)


def _exists(name: str, parent: int) -> bool:
    try:
        os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
