# SPDX-License-Identifier: LGPL-2.1-or-later
"""An output directory, such as a snapshot: it appears under its name only when it is complete."""

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Self

from spo_trace.errors import Argument, SpoTraceError
from spo_trace.files.access import OWN, Access
from spo_trace.files.closeable import Closeable
from spo_trace.files.descriptors import (
    cannot_write,
    create,
    hidden_name,
    make_directory,
    open_directory,
    open_parent,
    remove,
    remove_tree,
    replaced_meanwhile,
    same_file,
    sync,
    sync_names,
)
from spo_trace.files.handover import Handover
from spo_trace.files.kind import Kind, check_target, open_old
from spo_trace.files.output_file import new_file
from spo_trace.files.regular import open_regular
from spo_trace.files.renaming import exchange, rename_new
from spo_trace.printable import printable

__all__ = ["OutputDirectory"]

_OTHER_FILE_SYSTEM = (
    "this file system cannot rename directories: choose a directory on another one with ",
    Argument("output"),
)

_logger = logging.getLogger(__name__)


class OutputDirectory(Closeable):
    """Write a directory that is private until `commit`; without `commit`, `close` removes it.

    All operations use descriptors. Until `commit` the directory belongs to the process's user, so that nobody else can
    put anything into it. `commit` sets its owner, its mode and, as the last step, its name.
    """

    def __init__(
        self, target: Path, kind: Kind, *, access: Access = OWN, force: bool = False, check: bool = True
    ) -> None:
        """Raise SpoTraceError if `target` exists and may not be replaced; without `check`, only `commit` does."""
        if check:
            check_target(target, kind, force=force)
        self._target = target
        # `.` and `x/..` are not names that another directory can be renamed to.
        self._place = target if target.name not in ("", "..") else target.resolve()
        self._kind = kind
        self._access = access
        self._force = force
        self._temporary = hidden_name()
        self._parent: int | None = None
        self._fd: int | None = None
        self._created: list[str] = []
        self._workspace = hidden_name()
        self._has_workspace = False
        self._committed = False

    def handed_over(self) -> Handover:
        """Return what another program in this process needs to continue; it inherits the descriptors."""
        assert self._fd is not None and self._parent is not None
        for fd in (self._fd, self._parent):
            os.set_inheritable(fd, True)
        return Handover(self._parent, self._fd, self._temporary, self._workspace)

    def take_over(self, handover: Handover) -> None:
        """Continue with a directory of another program in this process; raise SpoTraceError if it is not private."""
        if not handover.is_private():
            raise replaced_meanwhile(self._target)
        self._parent, self._fd, self._temporary, self._workspace = handover
        self._has_workspace = True
        for fd in (self._fd, self._parent):
            os.set_inheritable(fd, False)
        self._grant = self._access.grant_in(self._parent, self._target, warn=False)

    def __enter__(self) -> Self:
        """Create the directory under a temporary name if there is none yet; raise SpoTraceError if that fails."""
        # Not in the constructor: an interrupt before the `with` statement would leave the directory behind.
        if self._fd is not None:
            return self
        try:
            self._parent = open_parent(self._place)
            self._grant = self._access.grant_in(self._parent, self._target)
            try:
                self._fd = make_directory(self._temporary, self._parent)
            except OSError as error:
                raise cannot_write(self._target, error) from error
            self._check_renaming(self._parent)
        except BaseException:
            self.close()
            raise
        return self

    # An overlay whose upper layer has no extended attributes cannot rename directories (overlayfs/dir.c, seen on 7.2):
    # find that out before the work, not after it.
    def _check_renaming(self, parent: int) -> None:
        name = hidden_name()
        try:
            os.rename(self._temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
        except OSError as error:
            raise cannot_write(self._target, error, _OTHER_FILE_SYSTEM) from error
        self._temporary = name

    def close(self) -> None:
        """Remove the directory unless it was committed."""
        if self._parent is None:
            return
        try:
            # An interrupt can arrive between the last rename and the end of `commit`.
            if not self._committed and not self._is_named(self._place.name):
                self._discard(self._parent)
        finally:
            if self._fd is not None:
                os.close(self._fd)
            os.close(self._parent)
            self._parent = self._fd = None

    # Only files that were created here are removed, wherever the directory is now.
    def _discard(self, parent: int) -> None:
        if self._fd is not None:
            remove(self._created, self._fd)
            remove_tree(self._workspace, self._fd)
        if self._fd is None or self._is_named(self._temporary):
            with suppress(OSError):
                os.rmdir(self._temporary, dir_fd=parent)

    def _is_named(self, name: str) -> bool:
        return self._fd is not None and self._parent is not None and same_file(name, self._parent, self._fd)

    @contextmanager
    def workspace(self) -> Iterator[int]:
        """Open a private directory for files that are not part of the output, and remove it at the end."""
        assert self._fd is not None
        fd = (open_directory if self._has_workspace else make_directory)(self._workspace, self._fd)
        self._has_workspace = True
        try:
            yield fd
        finally:
            os.close(fd)
            remove_tree(self._workspace, self._fd)
            self._has_workspace = False

    def create(self, name: str) -> BinaryIO:
        """Create a file and open it for writing; a name such as `a/b/c` also creates the directories."""
        *directories, last = PurePosixPath(name).parts
        assert self._fd is not None
        if ".." in directories or last == ".." or name.startswith("/"):
            raise SpoTraceError(f"{name!r} is not a valid name for a file in {self._target}")
        self._created.append(name)
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
        return open_regular(name, self._fd)

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
        name = self._place.name
        sync(self._fd)
        self._grant.apply(self._fd)
        old = open_old(name, self._parent, self._kind, force=self._force, shown=self._target)
        try:
            # A user who may write to the parent directory can replace the temporary name at any time. Check it before
            # the rename, and again after: only then is it certain that the name leads to what was written.
            if not self._is_named(self._temporary):
                raise replaced_meanwhile(self._target)
            if old is None:
                self._rename(name, self._parent)
            else:
                self._replace(name, old, self._parent)
            if not self._is_named(name):
                raise replaced_meanwhile(self._target)
            self._committed = True
            sync_names(self._parent)
            if old is not None:
                self._remove(old, self._parent)
        finally:
            if old is not None:
                os.close(old)

    def _rename(self, name: str, parent: int) -> None:
        try:
            rename_new(self._temporary, name, parent)
        except FileExistsError as error:
            raise SpoTraceError(f"{self._target} exists", hint="choose another name") from error

    # rename(2) replaces only empty directories. `old` is the directory that was checked.
    def _replace(self, name: str, old: int, parent: int) -> None:
        exchange(self._temporary, name, parent)
        if not same_file(self._temporary, parent, old):
            exchange(self._temporary, name, parent)
            raise replaced_meanwhile(self._target)

    # The old directory has the temporary name now. Its owner can change it at any time, so remove by descriptor what
    # was recognised, and nothing else.
    def _remove(self, old: int, parent: int) -> None:
        remove(self._kind.files(old) or [], old)
        if same_file(self._temporary, parent, old):
            try:
                os.rmdir(self._temporary, dir_fd=parent)
            except OSError as error:
                kept = self._place.parent / self._temporary
                _logger.warning("the replaced directory is kept as %s: %s", printable(str(kept)), error.strerror)

    def add(self, name: str, content: bytes) -> None:
        """Add a file after `commit`, even if the directory was moved; the file appears when it is complete.

        Raise SpoTraceError if it exists.
        """
        assert self._fd is not None
        hint = "another program created it; the files before it are kept"
        with new_file(self._fd, self._target / name, self._grant, if_exists=hint) as file:
            file.write(content)
