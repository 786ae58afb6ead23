# SPDX-License-Identifier: LGPL-2.1-or-later
"""A fleet in an object store: its files are objects, which appear when they are complete."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Self

import pyarrow as pa
import pyarrow.dataset as ds

from spo_trace.errors import SpoTraceError
from spo_trace.files.closeable import Closeable
from spo_trace.fleet.identity import is_file_name
from spo_trace.fleet.root import MAKE, Stored, check_names, check_number
from spo_trace.fleet.store import Store
from spo_trace.fleet.store_ahead import File, ReadAhead
from spo_trace.fleet.store_raw import StoreRaw
from spo_trace.fleet.store_url import place_of
from spo_trace.fleet.tables import TABLES, write_rows
from spo_trace.limits import MAX_FLEET_FILE_BYTES
from spo_trace.snapshots.damage import Damage

__all__ = ["StoreRoot"]


class StoreRoot(Closeable):
    """Read and write the files of a fleet in an object store.

    No name of an object is made of what a machine said. Directories of an object store are only parts of names, so that
    none has to be made.
    """

    def __init__(self, store: Store) -> None:
        self.name = store.name
        self._store = store
        self._ahead = ReadAhead(self._content)
        self._sizes: dict[File, int] = {}

    @classmethod
    def open(cls, url: str, *, create: bool = False) -> Self:
        """Open the place with this URL; raise SpoTraceError if there is no fleet, unless `create` is given."""
        root = cls(Store(place_of(url)))
        found = {info.base_name for info in root._store.listed()}
        if create:
            check_names(root.name, found)
        elif not found & set(TABLES):
            raise SpoTraceError(f"{root.name} is not a fleet: there is no {', '.join(TABLES)}", hint=MAKE)
        return root

    @property
    def raw(self) -> StoreRaw:
        """Return the snapshots that are kept whole."""
        return StoreRaw(self._store)

    def close(self) -> None:
        """Drop what was read ahead; the connections belong to pyarrow."""
        self._ahead.close()

    def files(self, table: str) -> dict[str, Stored]:
        """Return the objects of `table` by name; raise SpoTraceError if there are too many."""
        found = self._store.listed(table)
        check_number(f"{self.name}/{table}", len(found))
        stored = {
            info.base_name: Stored(info.size if info.is_file else -1, (info.mtime_ns or 0) / 1e9) for info in found
        }
        self._sizes.update({File(table, name): one.size for name, one in stored.items()})
        return stored

    def expect(self, table: str, names: Iterable[str]) -> None:
        """Read these files ahead, if their sizes are known."""
        files = (File(table, name) for name in names)
        self._ahead.expect((file, self._sizes[file]) for file in files if file in self._sizes)

    def shown(self, table: str, name: str) -> str:
        """Return the URL of a file for messages."""
        return self._store.shown(table, name)

    @contextmanager
    def opened(self, table: str, name: str) -> Iterator[pa.NativeFile]:
        """Read a file into memory; raise OSError if it is missing, Damage if it is larger than those of a fleet.

        Errors of the store are StoreFailed. So whatever pyarrow raises about the content is damage.
        """
        yield pa.BufferReader(self._ahead.take(File(table, name)))

    def _content(self, file: File) -> pa.Buffer:
        path = self._store.path(*file)
        try:
            with self._store.naming(path, "read"), self._store.filesystem.open_input_file(path) as opened:
                if (size := opened.size()) > MAX_FLEET_FILE_BYTES:
                    raise Damage(f"it has {size:,} bytes")
                return opened.read_buffer(size)
        except FileNotFoundError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), file.name) from None

    def dataset(self, table: str, files: list[str]) -> ds.Dataset:
        """Return files of `table` as a dataset, for engines that read Parquet themselves."""
        paths = [self._store.path(table, name) for name in files]
        return ds.dataset(paths, schema=TABLES[table], format="parquet", filesystem=self._store.filesystem)

    def write(self, table: str, name: str, rows: pa.Table) -> int:
        """Write the file `name` of `table`, and return its size in bytes.

        It is made in memory: a stream that an error ends would leave half a file under this name.
        """
        made = pa.BufferOutputStream()
        write_rows(table, rows, made)
        content = made.getvalue()
        path = self._store.path(table, name)
        with self._store.naming(path, "written"), self._store.filesystem.open_output_stream(path) as file:
            file.write(content)
        return int(content.size)

    def remove(self, table: str, name: str) -> None:
        """Remove an object, if it is there; one with another name than those of a fleet is left alone."""
        path = self._store.path(table, name)
        if is_file_name(name):
            with suppress(FileNotFoundError), self._store.naming(path, "removed"):
                self._store.filesystem.delete_file(path)
