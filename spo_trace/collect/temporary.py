# SPDX-License-Identifier: LGPL-2.1-or-later
"""Convert a capture to a snapshot in a private directory that is removed when the process ends."""

import shutil
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

from spo_trace.collect.read_log import Progress
from spo_trace.collect.snapshot import collect
from spo_trace.files.scratch import naming_full_disk, scratch_directory
from spo_trace.snapshots.reader import Snapshot
from spo_trace.sources.choose import choose_source

__all__ = ["converted", "discard"]


def converted(
    paths: Sequence[str],
    *,
    page_columns: Collection[str] | None = None,
    page_size: int | None = None,
    progress: Progress | None = None,
) -> Snapshot:
    """Return the snapshot of a capture; the arguments are those of `collect`."""
    with naming_full_disk():
        directory = Path(tempfile.mkdtemp(dir=scratch_directory()))
        # Named after the capture: HTML reports and profiles show the name.
        name = "stdin" if paths[0] == "-" else Path(paths[0]).absolute().name[:60]
        target = directory / f"{name}.spo"
        return collect(
            choose_source(None, paths), target, page_columns=page_columns, page_size=page_size, progress=progress
        )


def discard(snap: Snapshot) -> None:
    """Remove a snapshot that `converted` returned; leave any other one alone.

    Otherwise, a process that reads many captures one after the other keeps the snapshots of all of them until it ends.
    """
    if snap.path.is_relative_to(scratch_directory()):
        shutil.rmtree(snap.path.parent, ignore_errors=True)
