# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whole snapshots in the directory of a fleet: copied and removed by descriptor."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from spo_trace.errors import SpoTraceError
from spo_trace.files.access import Access, granted_directory
from spo_trace.files.descriptors import (
    cannot_write,
    hidden_name,
    is_leftover,
    make_directory,
    names,
    open_directory,
    remove_tree,
)
from spo_trace.files.handover import Handover
from spo_trace.files.output_directory import OutputDirectory
from spo_trace.files.regular import open_regular
from spo_trace.fleet.identity import is_raw_name, raw_name
from spo_trace.fleet.root import RAW, not_kept
from spo_trace.snapshots.directory import SNAPSHOT, snapshot_files

__all__ = ["LocalRaw"]

_HINT = "check its owner, its permissions and the free space"


class LocalRaw:
    """Keep snapshots below `raw` in an open directory; `root`: its path for messages."""

    def __init__(self, root: Path, fd: int, access: Access) -> None:
        self._path = root / RAW
        self._root = fd
        self._access = access

    def kept(self) -> dict[str, float]:
        """Return the snapshots, and what a killed `keep` left, by name, and when each was written."""
        found = {}
        with self._opened() as parent:
            for name in filter(_is_own, [] if parent is None else names(parent)):
                with suppress(FileNotFoundError):
                    found[name] = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mtime
        return found

    def has(self, id: str) -> bool:
        """Return whether there is a directory for the snapshot."""
        with self._opened() as parent:
            try:
                return parent is not None and stat.S_ISDIR(
                    os.stat(raw_name(id), dir_fd=parent, follow_symlinks=False).st_mode
                )
            except FileNotFoundError:
                return False

    def shown(self, id: str) -> str:
        """Return the path of a snapshot."""
        return str(self._path / raw_name(id))

    def keep(self, id: str, source: Path) -> None:
        """Copy the files of a snapshot; its directory gets its name when all of them are on the disk."""
        target = self._path / raw_name(id)
        try:
            granted_directory(RAW, self._root, self._path, self._access, warn=False)
            with self._opened() as parent:
                assert parent is not None
                self._copy(source, target, parent)
        except OSError as error:
            raise cannot_write(target, error, _HINT) from error

    def _copy(self, source: Path, target: Path, parent: int) -> None:
        temporary = hidden_name()
        fd = make_directory(temporary, parent)
        output = OutputDirectory(target, SNAPSHOT, access=self._access, force=True, check=False)
        output.take_over(Handover(os.dup(parent), fd, temporary, hidden_name()))
        with output, snapshot_files(source) as (directory, files):
            for name in files:
                with open_regular(name, directory) as original, output.create(name) as copy:
                    shutil.copyfileobj(original, copy)
            output.commit()

    def fetched(self, id: str) -> Path:
        """Return the path of a snapshot."""
        if not self.has(id):
            raise not_kept(id)
        return self._path / raw_name(id)

    def remove(self, name: str) -> None:
        """Remove a snapshot, or a part of one; what has another name is left alone.

        It loses its name before its first file.
        """
        with self._opened() as parent:
            if parent is None or not _is_own(name):
                return
            gone = hidden_name()
            try:
                with suppress(FileNotFoundError):
                    os.rename(name, gone, src_dir_fd=parent, dst_dir_fd=parent)
            except OSError as error:
                raise SpoTraceError(f"{self._path / name} can't be removed: {error.strerror}", hint=_HINT) from error
            remove_tree(gone, parent)

    @contextmanager
    def _opened(self) -> Iterator[int | None]:
        try:
            fd = open_directory(RAW, self._root)
        except FileNotFoundError:
            yield None
            return
        except OSError as error:
            problem = f"{self._path} can't be opened: {error.strerror}"
            raise SpoTraceError(problem, hint="it must be a directory") from error
        try:
            yield fd
        finally:
            os.close(fd)


def _is_own(name: str) -> bool:
    return is_raw_name(name) or is_leftover(name)
