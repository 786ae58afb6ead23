# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace verify."""

from typing import TYPE_CHECKING, Annotated

from spo_trace.analysis.notes import Note, NoteCode
from spo_trace.cli.errors import fail, guarded
from spo_trace.cli.inputs import open_snapshot
from spo_trace.cli.option_groups import DocumentOptions, grouped
from spo_trace.cli.options import PageSize, Source, option
from spo_trace.cli.output import opened
from spo_trace.cli.tables import Target, print_notes, show
from spo_trace.errors import EXIT_NOT_CHECKED, EXIT_THRESHOLD

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["command"]

Only = Annotated[
    list[str] | None,
    option(
        "--only",
        shows="PARTS",
        help="Check only these parts, separated by commas: memory, swap, stacks, sites. Kernels before 6.9 do not "
        "count pages per stack: use --only memory,swap.",
    ),
]


@guarded
@grouped
def command(
    snapshot: Source,
    tolerance: Annotated[
        float,
        option("--tolerance", shows="PERCENT", least=0, help="Tolerated unexplained difference.", default=True),
    ] = 2.0,
    only: Only = None,
    document: DocumentOptions = DocumentOptions(),  # noqa: B008  # frozen
    page_size: PageSize = None,
) -> None:
    """Check that page_owner accounts for the memory and swap in use.

    Compares the listed memory with MemTotal − MemFree, the listed swap with Used of each device in /proc/swaps, and the
    pages of the listed stacks with the sum of nr_base_pages. If the kernel counts sites (/proc/allocinfo), the listed
    pages of slab are compared with its count. Known causes of a difference are listed with their size.
    The verdict on each part is balanced, off (more than --tolerance percent, 1 MiB and 256 pages are unexplained), or
    not checked (its input is missing or incomplete, or so much changed during the read that missing pages could not be
    noticed).

    Exit code: 3 if a part is off, else 4 if a part could not be checked, else 0.

    \b
        spo-trace verify now.spo
        spo-trace verify now.spo --only memory,swap
    """
    to = document.target()
    from spo_trace.analysis.snapshot_notes import input_notes, not_compared_notes
    from spo_trace.analysis.verdicts import check_parts, verified

    parts = [name.strip() for given in only or [] for name in given.split(",")]
    check_parts(parts)
    snap = open_snapshot(snapshot, page_size=page_size)
    table = verified(snap, parts=parts, tolerance=tolerance)
    found = table[table["kind"] == "verdict"]
    notes = [*_notes(found, tolerance, snap.page_size), *not_compared_notes(snap)]
    _show(table, to, notes, printed=input_notes(snap))
    _leave(found, tolerance)


def _show(table: "pd.DataFrame", to: Target, notes: list[Note], *, printed: list[Note]) -> None:
    if to.format != "table":
        show(table, to, notes, printed=printed)
        return
    from spo_trace.reporters.balance import render_balance
    from spo_trace.reporters.document import render_notes

    with opened(to.output, force=to.force, access=to.access) as file:
        render_balance(table, file)
        if to.holds_notes:
            render_notes([one.text for one in (*printed, *notes)], "table", file)
    print_notes(notes, to)


# Parts that are off or not checked are reported as errors on stderr.
def _notes(found: "pd.DataFrame", tolerance: float, page_size: int) -> list[Note]:
    from spo_trace.analysis.verdicts import always_tolerated
    from spo_trace.reporters.format import format_size

    if not (found["verdict"] == "balanced").all():
        return []
    small = found[found["reason"] == "below-floor"]["section"]
    floor = f", or within {format_size(always_tolerated(page_size))} ({', '.join(small)})" if len(small) else ""
    text = f"Balanced: the unexplained difference is within {tolerance:g}%{floor}"
    return [Note(NoteCode.VERDICT, text)]


def _leave(found: "pd.DataFrame", tolerance: float) -> None:
    off, unchecked = (found[found["verdict"] == verdict] for verdict in ("off", "not checked"))
    if len(off):
        fail(f"off by more than {tolerance:g}%: {', '.join(off['section'])}", None, EXIT_THRESHOLD)
    if len(unchecked):
        reasons = "; ".join(f"{row.section}: {row.note}" for row in unchecked.itertuples())
        fail(f"not checked: {reasons}", _hint(found), EXIT_NOT_CHECKED)


def _hint(found: "pd.DataFrame") -> str | None:
    left = found[found["verdict"] == "balanced"]["part"].drop_duplicates()
    lacking = set(found[found["verdict"] == "not checked"]["part"])
    parts = [part for part in left if part not in lacking]
    return f"--only {','.join(parts)} checks the other parts" if parts else None
