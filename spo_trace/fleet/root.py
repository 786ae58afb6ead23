# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the files of a fleet are: a directory of this machine, or an object store."""

from collections.abc import Collection, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

import pyarrow as pa
import pyarrow.dataset as ds

from spo_trace.errors import Argument, SpoTraceError
from spo_trace.fleet.tables import TABLES
from spo_trace.limits import MAX_FLEET_FILES

__all__ = ["MAKE", "RAW", "Raw", "Root", "Stored", "check_names", "check_number", "not_kept"]

# Below ROOT, beside the tables: the snapshots that are kept whole.
RAW = "raw"

# The hint if there is no fleet.
MAKE = "make it with: spo-trace fleet add ROOT SNAPSHOT"


class Stored(NamedTuple):
    """Hold the size of a file in bytes, -1 if it is no regular file, and when it was written, in seconds since 1970."""

    size: int
    written: float


class Raw(Protocol):
    """Keep whole snapshots, each under its id; a snapshot appears when it is complete."""

    def kept(self) -> dict[str, float]:
        """Return the snapshots, and parts of snapshots, by name (`identity.raw_name`), and when each was written."""

    def has(self, id: str) -> bool:
        """Return whether the snapshot is kept."""

    def shown(self, id: str) -> str:
        """Return the place of a snapshot for messages."""

    def keep(self, id: str, source: Path) -> None:
        """Copy the snapshot in the directory `source`; raise SpoTraceError if that fails."""

    def fetched(self, id: str) -> Path:
        """Return a directory of this machine with the snapshot; raise SpoTraceError if it is not kept."""

    def remove(self, name: str) -> None:
        """Remove what `kept` named, if it is there."""


class Root(Protocol):
    """Read and write the files of a fleet; a file appears when it is complete.

    `name`: of the fleet, for messages; it has no secrets.
    """

    name: str

    @property
    def raw(self) -> Raw:
        """Return the snapshots that are kept whole."""

    def close(self) -> None:
        """Release what is open."""

    def files(self, table: str) -> dict[str, Stored]:
        """Return the files of `table` by name; raise SpoTraceError if there are too many."""

    def shown(self, table: str, name: str) -> str:
        """Return the place of a file for messages."""

    def expect(self, table: str, names: Iterable[str]) -> None:
        """Say which files of `table` are opened next, in this order, so that they can be read ahead."""

    def opened(self, table: str, name: str) -> AbstractContextManager[pa.NativeFile]:
        """Open a file for pyarrow; raise OSError if it is missing or not a regular file."""

    def dataset(self, table: str, files: list[str]) -> ds.Dataset:
        """Return files of `table` as a dataset, for engines that read Parquet themselves."""

    def write(self, table: str, name: str, rows: pa.Table) -> int:
        """Write the file `name` of `table`, and return its size in bytes; raise SpoTraceError if that fails.

        Names are made of the content: a file that exists has the same rows, and is replaced.
        """

    def remove(self, table: str, name: str) -> None:
        """Remove a file, if it is there."""


def check_names(root: str, found: Collection[str]) -> None:
    """Raise SpoTraceError if there is anything else than a fleet.

    Other files may be somebody's: a fleet is made in an empty directory only.
    """
    if set(found) - {*TABLES, RAW}:
        raise SpoTraceError(f"{root} is not a fleet: it has other files", hint="name an empty directory")


def check_number(directory: str, files: int) -> None:
    """Raise SpoTraceError if a directory has too many files."""
    if files > MAX_FLEET_FILES:
        raise SpoTraceError(
            f"{directory} has more than {MAX_FLEET_FILES:,} files",
            hint="merge them with: spo-trace fleet compact ROOT",
        )


def not_kept(id: str) -> SpoTraceError:
    """Return the error for a snapshot that is not kept whole."""
    return SpoTraceError(
        f"the fleet has only the sums of the snapshot {id}, not the snapshot itself",
        hint=("add it again, with ", Argument("keep_raw", True)),
    )
