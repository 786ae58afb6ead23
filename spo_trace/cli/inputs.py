# SPDX-License-Identifier: LGPL-2.1-or-later
"""Open the input of a command, and warn about missing parts."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from spo_trace.cli.output import progress, warn_incomplete

if TYPE_CHECKING:
    from spo_trace.snapshots.reader import Snapshot

__all__ = ["open_snapshot"]


def open_snapshot(
    path: str, page_columns: Collection[str] | None = None, *, page_size: int | None = None
) -> "Snapshot":
    """Open a snapshot or a raw capture, with progress and warnings on stderr.

    `page_columns`: the columns of pages that will be read, default all. `page_size`: of the machine, in bytes.
    """
    import spo_trace as spo

    snap = spo.open(path, page_columns=page_columns, page_size=page_size, progress=progress())
    warn_incomplete(snap.meta)
    return snap
