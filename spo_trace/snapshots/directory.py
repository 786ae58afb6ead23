# SPDX-License-Identifier: LGPL-2.1-or-later
"""The directory of a snapshot that is being taken: it is recognised by its files, and only snapshots are replaced.

This module and what it imports take little memory, because this machine is read before anything else is loaded.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spo_trace.files.access import OWN, Access
from spo_trace.files.descriptors import begins_with, names
from spo_trace.files.handover import Handover
from spo_trace.files.kind import Kind
from spo_trace.files.output_directory import OutputDirectory

__all__ = ["FILES", "LAST", "SNAPSHOT", "snapshot_directory", "snapshot_files"]

# All of schema.ALL_TABLES, which would load pyarrow.
_TABLES = ("pages", "aggregates", "swap", "stacks", "sites", "processes", "cgroups", "slab_caches")

# The file that is written last.
LAST = "snapshot.json"

# How each file of a snapshot begins.
FILES = {
    LAST: b'{\n "schema_version": ',
    "rejects.txt": b"# ",
    **{f"{table}.parquet": b"PAR1" for table in _TABLES},
}


def _files(directory: int) -> list[str] | None:
    found = names(directory)
    if LAST in found and all(name in FILES and begins_with(FILES[name], name, directory) for name in found):
        return found
    return None


# A directory with any other file is not a snapshot and is never replaced.
SNAPSHOT = Kind("a snapshot", _files)


@contextmanager
def snapshot_files(source: Path) -> Iterator[tuple[int, list[str]]]:
    """Open the directory of a snapshot, and return the names of its files without any others; raise OSError."""
    fd = os.open(source, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd, sorted(name for name in names(fd) if name in FILES)
    finally:
        os.close(fd)


def snapshot_directory(
    target: Path, *, access: Access = OWN, force: bool = False, handover: Handover | None = None
) -> OutputDirectory:
    """Return the output directory of a snapshot; raise SpoTraceError if `target` exists and may not be replaced.

    `handover`: the directory was created by another program in this process.
    """
    output = OutputDirectory(target, SNAPSHOT, access=access, force=force, check=handover is None)
    if handover:
        output.take_over(handover)
    return output
