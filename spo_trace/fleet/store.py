# SPDX-License-Identifier: LGPL-2.1-or-later
"""An object store, whose errors name the object without secrets."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyarrow import fs

from spo_trace.fleet.store_errors import StoreFailed, naming_store
from spo_trace.fleet.store_url import Place

__all__ = ["Store"]

_NO_BUCKET = "create the bucket, or check its name and the endpoint"


class Store:
    """Hold a place in an object store."""

    def __init__(self, place: Place) -> None:
        self.filesystem = place.filesystem
        self.name = place.shown
        self._place = place

    def path(self, *names: str) -> str:
        """Return the path of an object for the file system."""
        return "/".join((self._place.base, *names))

    def shown(self, *names: str) -> str:
        """Return the URL of an object for messages."""
        return "/".join((self.name, *names))

    @contextmanager
    def naming(self, path: str, doing: str) -> Iterator[None]:
        """Turn errors into StoreFailed, see `naming_store`."""
        with naming_store(self.name + path.removeprefix(self._place.base), doing, self._place.secrets):
            yield

    def listed(self, *names: str, recursive: bool = False) -> list[fs.FileInfo]:
        """Return what is in a directory, nothing if there is none; raise SpoTraceError if there is no bucket."""
        path = self.path(*names)
        bucket = path.partition("/")[0]
        with self.naming(path, "listed"):
            found = self.filesystem.get_file_info(fs.FileSelector(path, allow_not_found=True, recursive=recursive))
            # A listing of a bucket that is gone is empty. Then the answer would be that there are no snapshots.
            if not found and bucket and self.filesystem.get_file_info(bucket).type is fs.FileType.NotFound:
                raise StoreFailed(f"{self.name} can't be listed: there is no bucket {bucket}", hint=_NO_BUCKET)
        return list(found)
