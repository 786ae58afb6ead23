# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace fleet check."""

from typing import TYPE_CHECKING, Annotated

from spo_trace.cli.errors import fail, guarded
from spo_trace.cli.fleet.options import FleetRoot, opened_fleet
from spo_trace.cli.option_groups import DocumentOptions, grouped
from spo_trace.cli.options import flag
from spo_trace.cli.output import note
from spo_trace.cli.tables import show
from spo_trace.errors import EXIT_THRESHOLD
from spo_trace.reporters.format import counted

if TYPE_CHECKING:
    from spo_trace.fleet.fleet import Fleet

__all__ = ["command"]

StrictCheck = Annotated[bool, flag("--strict", help="Exit with 3 if there is a problem that may change an answer.")]


@guarded
@grouped
def command(
    root: FleetRoot,
    document: DocumentOptions = DocumentOptions(),  # noqa: B008  # frozen
    strict: StrictCheck = False,
) -> None:
    """Read all files of a fleet, and list what is wrong.

    \b
        spo-trace fleet check fleet
        spo-trace fleet check fleet --strict        # in a timer

    Snapshots are left out of all answers if their files are damaged, missing or of a newer version. Names of several
    machines and clocks that are ahead may make answers wrong. Unused files, hosts without a name and snapshots without
    a time do not.
    """
    to = document.target()
    from spo_trace.fleet.check import MINOR

    fleet = opened_fleet(root)
    table = fleet.check()
    show(table, to, total={})
    if table.empty:
        note(f"{counted(fleet.catalog.rows.num_rows, 'snapshot')}, no problems")
    _note_kept(fleet)
    serious = table[~table["problem"].isin([str(code) for code in MINOR])]
    if strict and len(serious):
        fail(f"{counted(len(serious), 'problem')} may change answers", None, EXIT_THRESHOLD)


# So that a user finds them without Python.
def _note_kept(fleet: "Fleet") -> None:
    places = list(fleet.kept().values())
    if places:
        more = f" and {len(places) - 1:,} more" if len(places) > 1 else ""
        note(f"kept whole: {places[0]}{more}")
