# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace report."""

from typing import TYPE_CHECKING, Annotated

from spo_trace.cli.guard import guarded
from spo_trace.cli.opening import open_snapshot
from spo_trace.cli.options import (
    By,
    Force,
    Format,
    Html,
    Output,
    PageSize,
    Source,
    Top,
    Where,
    condition_of,
    keys_of,
    option,
)
from spo_trace.cli.output import check_output, check_page, note, opened
from spo_trace.cli.showing import check_question, format_for, show, sorted_by, warn_of_nothing
from spo_trace.reporters.format import format_size

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["command"]


@guarded
def command(
    snapshot: Source,
    by: By = None,
    top: Top = 20,
    sort: Annotated[str, option("--sort", shows="COLUMN", help="total, mem, swap or a key.", default=True)] = "total",
    where: Where = None,
    format: Format = None,
    output: Output = None,
    html: Html = None,
    page_size: PageSize = None,
    force: Force = False,
) -> None:
    """Show who owns how much memory and swap.

    \b
        spo-trace report now.spo
        spo-trace report now.spo --by category,comm --sort swap
        spo-trace report now.spo --by stack --top 5
        spo-trace report capture.tar.gz --where 'memcg == "web.slice"' --format csv
        spo-trace report now.spo --html now.html
    """
    format = format_for(format, output)
    check_output(output, force=force)
    check_page(html, output, force=force)
    from spo_trace.analysis.attribution import attribute, page_columns
    from spo_trace.analysis.known import unknown_amounts
    from spo_trace.exporting import export, snapshot_notes

    condition = condition_of(where)
    check_question(keys_of(by), condition)
    # The page shows more than the question.
    snap = open_snapshot(snapshot, None if html else page_columns(keys_of(by), condition), page_size=page_size)
    table = attribute(snap, keys_of(by), where=condition)
    table = sorted_by(sort, table, keys_of(by))
    show(table, top, format, output, force=force)
    warn_of_nothing(condition, found=bool(table["total_bytes"].any()))
    note(_total(table, unknown_amounts(snap)))
    for text in snapshot_notes(snap):
        note(text)
    if html:
        with opened(html, force=force) as file:
            export(snap, "html", file, where=condition)


def _total(table: "pd.DataFrame", unknown: tuple[str, ...]) -> str:
    titles = {"mem": "memory", "swap": "swap"}
    told = [f"{format_size(table[f'{n}_bytes'].sum())} in {titles[n]}" for n in titles if n not in unknown]
    return "; ".join([f"Total: {', '.join(told)}", *(f"the owners of {titles[n]} are not known" for n in unknown)])
