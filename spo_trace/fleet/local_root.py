# SPDX-License-Identifier: LGPL-2.1-or-later
"""A fleet in a directory of this machine: its files are opened and written by descriptor."""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.dataset as ds

from spo_trace.errors import SpoTraceError
from spo_trace.files.access import OWN, Access, granted_directory
from spo_trace.files.closeable import Closeable
from spo_trace.files.descriptors import cannot_write, names, open_directory, open_parent
from spo_trace.files.output_file import new_file
from spo_trace.fleet.local_raw import LocalRaw
from spo_trace.fleet.root import MAKE, Stored, check_names, check_number
from spo_trace.fleet.tables import TABLES, write_rows
from spo_trace.snapshots.parquet_input import open_parquet

__all__ = ["LocalRoot"]

_HINT = "name a directory that you can write to"


class LocalRoot(Closeable):
    """Read and write the files of a fleet below one open directory.

    Files appear when they are complete. No name below the directory is a link that is followed.
    """

    def __init__(self, path: Path, fd: int, access: Access) -> None:
        self.path = path
        self.name = str(path)
        self._fd = fd
        self._access = access
        self._directories: dict[str, int] = {}

    @classmethod
    def open(cls, path: Path, *, create: bool = False, access: Access = OWN) -> Self:
        """Open the directory `path`; `create`: make it if it is missing. Raise SpoTraceError if that is impossible."""
        if create:
            _make(path, access)
        try:
            root = cls(path, os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), access)
        except OSError as error:
            hint = MAKE if error.errno == errno.ENOENT else "check its owner and its permissions"
            raise SpoTraceError(f"{path} can't be read: {error.strerror}", hint=hint) from error
        try:
            root._open_tables(create=create)
        except BaseException:
            root.close()
            raise
        return root

    def _open_tables(self, *, create: bool) -> None:
        for table in TABLES:
            try:
                if create:
                    self._make_table(table)
                self._directories[table] = open_directory(table, self._fd)
            except FileNotFoundError as error:
                raise SpoTraceError(f"{self.path} is not a fleet: there is no {table}", hint=MAKE) from error
            except OSError as error:
                problem = f"{self.path / table} can't be opened: {error.strerror}"
                raise SpoTraceError(problem, hint="it must be a directory") from error

    # Other files may be somebody's: a fleet is made in an empty directory only.
    def _make_table(self, table: str) -> None:
        found = names(self._fd)
        if table in found:
            return
        check_names(self.name, found)
        try:
            granted_directory(table, self._fd, self.path / table, self._access, warn=False)
        except OSError as error:
            raise cannot_write(self.path, error, _HINT) from error

    @property
    def raw(self) -> LocalRaw:
        """Return the snapshots that are kept whole."""
        return LocalRaw(self.path, self._fd, self._access)

    def close(self) -> None:
        """Close the directories."""
        for fd in (*self._directories.values(), self._fd):
            os.close(fd)
        self._directories = {}

    def files(self, table: str) -> dict[str, Stored]:
        """Return the files of `table` by name; raise SpoTraceError if there are too many."""
        parent = self._directories[table]
        found = {}
        for name in names(parent):
            with suppress(OSError):
                status = os.stat(name, dir_fd=parent, follow_symlinks=False)
                # Anything else than a regular file is shown by `check` as a file that nobody reads.
                size = status.st_size if stat.S_ISREG(status.st_mode) else -1
                found[name] = Stored(size, status.st_mtime)
        check_number(f"{self.path / table}", len(found))
        return found

    def shown(self, table: str, name: str) -> str:
        """Return the path of a file for messages."""
        return str(self.path / table / name)

    def expect(self, table: str, names: Iterable[str]) -> None:
        """Do nothing: the kernel reads ahead."""

    @contextmanager
    def opened(self, table: str, name: str) -> Iterator[pa.NativeFile]:
        """Open a file for pyarrow; raise OSError if it is missing or not a regular file."""
        file = open_parquet(name, self._directories[table])
        try:
            yield file
        finally:
            file.close()

    def dataset(self, table: str, files: list[str]) -> ds.Dataset:
        """Return files of `table` as a dataset, for engines that read Parquet themselves."""
        below = f"/proc/self/fd/{self._directories[table]}"
        return ds.dataset([f"{below}/{name}" for name in files], schema=TABLES[table], format="parquet")

    def write(self, table: str, name: str, rows: pa.Table) -> int:
        """Write the file `name` of `table`, and return its size in bytes.

        Names are made of the content: a file that exists has the same rows, and is replaced.
        """
        parent, target = self._directories[table], self.path / table / name
        try:
            grant = self._access.grant_in(parent, target, warn=False)
            with new_file(parent, target, grant, force=True) as file:
                write_rows(table, rows, file)
                size = file.tell()
        except OSError as error:
            raise cannot_write(target, error, _HINT) from error
        return size

    def remove(self, table: str, name: str) -> None:
        """Remove a file, if it is there."""
        try:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=self._directories[table])
        except OSError as error:
            problem = f"{self.shown(table, name)} can't be removed: {error.strerror}"
            raise SpoTraceError(problem, hint="check the owner and the permissions of its directory") from error


def _make(path: Path, access: Access) -> None:
    parent = open_parent(path.absolute())
    try:
        granted_directory(path.name or ".", parent, path, access)
    except OSError as error:
        raise cannot_write(path, error, _HINT) from error
    finally:
        os.close(parent)
