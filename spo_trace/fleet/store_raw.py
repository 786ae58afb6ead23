# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whole snapshots in the object store of a fleet: a snapshot is there when its snapshot.json is, which comes last."""

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
from pyarrow import fs

from spo_trace.files.regular import open_regular
from spo_trace.files.scratch import naming_full_disk, scratch_directory
from spo_trace.fleet.identity import is_raw_name, raw_name
from spo_trace.fleet.root import RAW, not_kept
from spo_trace.fleet.store import Store
from spo_trace.snapshots.directory import FILES, LAST, snapshot_files

__all__ = ["StoreRaw"]

_PIECE = 8 << 20


class StoreRaw:
    """Keep snapshots below `raw` in an object store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def kept(self) -> dict[str, float]:
        """Return the snapshots, and parts of snapshots, by name, and when each was written."""
        found: dict[str, float] = {}
        start = len(self._store.path(RAW)) + 1
        for info in self._store.listed(RAW, recursive=True):
            name, below, _ = info.path[start:].partition("/")
            if below and info.is_file and is_raw_name(name):
                found[name] = max(found.get(name, 0.0), (info.mtime_ns or 0) / 1e9)
        return found

    def has(self, id: str) -> bool:
        """Return whether the last file of the snapshot is there."""
        path = self._store.path(RAW, raw_name(id), LAST)
        with self._store.naming(path, "read"):
            return bool(self._store.filesystem.get_file_info(path).type is fs.FileType.File)

    def shown(self, id: str) -> str:
        """Return the URL of a snapshot."""
        return self._store.shown(RAW, raw_name(id))

    def keep(self, id: str, source: Path) -> None:
        """Upload the files of a snapshot, its snapshot.json last."""
        with snapshot_files(source) as (directory, files):
            for name in sorted(files, key=lambda name: name == LAST):
                path = self._store.path(RAW, raw_name(id), name)
                with (
                    open_regular(name, directory) as original,
                    self._store.naming(path, "written"),
                    self._store.filesystem.open_output_stream(path) as copy,
                ):
                    shutil.copyfileobj(original, copy, _PIECE)

    def fetched(self, id: str) -> Path:
        """Download a snapshot into a private directory that is removed when the process ends."""
        if not self.has(id):
            raise not_kept(id)
        with naming_full_disk():
            target = Path(tempfile.mkdtemp(dir=scratch_directory())) / raw_name(id)
            target.mkdir()
            for info in self._store.listed(RAW, raw_name(id)):
                if info.base_name in FILES and info.is_file:
                    with (target / info.base_name).open("xb") as copy:
                        self._download(info.path, copy)
        return target

    # A full disk is no error of the store.
    def _download(self, path: str, copy: BinaryIO) -> None:
        with self._store.naming(path, "read"):
            stream = self._store.filesystem.open_input_stream(path)
        with stream:
            while piece := self._read(path, stream):
                copy.write(piece)

    def _read(self, path: str, stream: pa.NativeFile) -> bytes:
        with self._store.naming(path, "read"):
            return bytes(stream.read(_PIECE))

    def remove(self, name: str) -> None:
        """Remove a snapshot, its snapshot.json first; what has another name is left alone."""
        if not is_raw_name(name):
            return
        found = self._store.listed(RAW, name)
        for info in sorted(found, key=lambda info: info.base_name != LAST):
            if info.base_name in FILES:
                with suppress(FileNotFoundError), self._store.naming(info.path, "removed"):
                    self._store.filesystem.delete_file(info.path)
