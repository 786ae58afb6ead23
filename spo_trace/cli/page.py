# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace page."""

from typing import Annotated

from spo_trace.cli.errors import guarded
from spo_trace.cli.inputs import open_snapshot
from spo_trace.cli.option_groups import DocumentOptions, grouped
from spo_trace.cli.options import PageSize, Positional, Source
from spo_trace.cli.output import opened
from spo_trace.cli.tables import show

__all__ = ["command"]

Pfn = Annotated[str, Positional("PFN", "The page frame number: decimal, or hexadecimal as 0x….")]


@guarded
@grouped
def command(
    pfn: Pfn,
    snapshot: Source,
    document: DocumentOptions = DocumentOptions(),  # noqa: B008  # frozen
    page_size: PageSize = None,
) -> None:
    """Show the full record of one page.

    The page may be any of a larger allocation: head_pfn and order are those of the allocation. If the page is not
    listed, the error says what is known of it, and the exit code is 1.

    \b
        spo-trace page 0x1f400 now.spo
        spo-trace page 128000 now.spo --format json
    """
    to = document.target()
    from spo_trace.analysis.page_record import page_record, parse_pfn
    from spo_trace.reporters.record import render_record

    number = parse_pfn(pfn)
    snap = open_snapshot(snapshot, page_size=page_size)
    table = page_record(snap, number)
    if to.format != "table":
        show(table, to)
        return
    with opened(to.output, force=to.force, access=to.access) as file:
        render_record(table, file)
