# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace fleet compact."""

from typing import Annotated

from spo_trace.cli.errors import guarded
from spo_trace.cli.fleet.options import FleetRoot
from spo_trace.cli.options import Mode, Owner, option
from spo_trace.cli.output import note
from spo_trace.reporters.format import counted

__all__ = ["command"]

Keep = Annotated[
    int | None, option("--keep", shows="DAYS", least=1, help="Drop snapshots that are older. Default: keep all.")
]


@guarded
def command(root: FleetRoot, keep: Keep = None, owner: Owner = None, mode: Mode = None) -> None:
    """Merge the files of each day that is over (UTC), and remove unused ones.

    \b
        spo-trace fleet compact fleet --keep 90

    Answers do not change, and others may add and read meanwhile. Run one compact at a time. If it is interrupted, the
    next one continues.
    """
    import spo_trace as spo
    from spo_trace.files.access import parse_mode

    fleet = spo.fleet.open(root, owner=owner, mode=None if mode is None else parse_mode(mode))
    done = fleet.compact(keep)
    merged, dropped, removed = (
        counted(done.days, "day"),
        counted(done.dropped, "snapshot"),
        counted(done.removed, "file"),
    )
    note(f"{merged} merged, {dropped} dropped, {removed} removed")
