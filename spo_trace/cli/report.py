# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace report."""

from typing import Annotated

from spo_trace.cli.guard import guarded
from spo_trace.cli.inputs import open_snapshot
from spo_trace.cli.options import (
    By,
    Envelope,
    Force,
    Format,
    Html,
    Mode,
    Output,
    Owner,
    PageSize,
    Source,
    Top,
    Where,
    condition_of,
    keys_of,
    option,
)
from spo_trace.cli.output import access_of, check_page, opened
from spo_trace.cli.tables import check_question, no_match_notes, show, sorted_by, target_of

__all__ = ["command"]


@guarded
def command(
    snapshot: Source,
    by: By = None,
    top: Top = None,
    sort: Annotated[str, option("--sort", shows="COLUMN", help="total, mem, swap or a key.", default=True)] = "total",
    where: Where = None,
    format: Format = None,
    output: Output = None,
    envelope: Envelope = False,
    html: Html = None,
    owner: Owner = None,
    mode: Mode = None,
    page_size: PageSize = None,
    force: Force = False,
) -> None:
    """Show who owns how much memory and swap.

    \b
        spo-trace report now.spo
        spo-trace report now.spo --by category,comm --sort swap
        spo-trace report now.spo --by stack --top 5
        spo-trace report now.spo --by callsite --where 'category == "network"'
        spo-trace report capture.tar.gz --where 'memcg == "web.slice"' --format csv
        spo-trace report now.spo --html now.html
    """
    access = access_of(owner, mode, output, html)
    to = target_of(format, output, force=force, top=top, envelope=envelope, access=access)
    check_page(html, output, force=force)
    from spo_trace.analysis.attribution import attribute, page_columns
    from spo_trace.analysis.snapshot_notes import NOTED_COLUMNS, input_notes, snapshot_notes, total_note
    from spo_trace.analysis.totals import totals
    from spo_trace.exporting import export

    condition, keys = condition_of(where), keys_of(by)
    check_question(keys, condition)
    # The page shows more than the question.
    snap = open_snapshot(
        snapshot, None if html else {*page_columns(keys, condition), *NOTED_COLUMNS}, page_size=page_size
    )
    table = sorted_by(sort, attribute(snap, keys, where=condition), keys)
    notes = no_match_notes(condition, found=bool(table["total_bytes"].any()))
    notes += [total_note(totals(table)), *snapshot_notes(snap)]
    show(table, to, notes, said=input_notes(snap))
    if html:
        with opened(html, force=force, access=access) as file:
            export(snap, "html", file, where=condition)
