# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace diff."""

from typing import TYPE_CHECKING, Annotated

from spo_trace.cli.guard import fail, guarded
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
from spo_trace.cli.output import check_output, check_page, note, opened, warn
from spo_trace.cli.showing import check_question, format_for, most_grown, show, sorted_by, warn_of_nothing
from spo_trace.errors import EXIT_THRESHOLD, UsageError
from spo_trace.reporters.format import counted, format_size

if TYPE_CHECKING:
    import pandas as pd

    from spo_trace.analysis.diff import Relation

__all__ = ["command"]


@guarded
def command(
    a: Source,
    b: Source,
    by: By = None,
    top: Top = 20,
    sort: Annotated[
        str, option("--sort", shows="COLUMN", help="total, mem, swap (growth), rate or a key.", default=True)
    ] = "total",
    where: Where = None,
    format: Format = None,
    output: Output = None,
    html: Html = None,
    page_size: PageSize = None,
    force: Force = False,
    fail_above: Annotated[
        str | None,
        option("--fail-above", shows="SIZE", help="Exit with 3 if any row grew by more, such as 512K or 1GiB."),
    ] = None,
) -> None:
    """Show who grew between two snapshots, largest growth first.

    \b
        spo-trace diff before.spo after.spo
        spo-trace diff before.spo after.spo --by stack --top 5
        spo-trace diff before.spo after.spo --by caller --fail-above 1MiB    # a leak test for CI
        spo-trace diff before.spo after.spo --html growth.html

    Snapshots of different kernels are compared too: stacks then by function names, without offsets.
    """
    format = format_for(format, output)
    check_output(output, force=force)
    check_page(html, output, force=force)
    limit = _limit(fail_above)
    from spo_trace.analysis.diff import diff, relate
    from spo_trace.exporting import export_diff, relation_notes

    condition = condition_of(where)
    check_question(keys_of(by), condition)
    snap_a, snap_b = open_snapshot(a, page_size=page_size), open_snapshot(b, page_size=page_size)
    table = sorted_by(sort, diff(snap_a, snap_b, keys_of(by), where=condition), keys_of(by))
    relation = relate(snap_a, snap_b)
    _check_order(relation, a, b, gate=limit is not None)
    for text in relation_notes(snap_a, snap_b, relation):
        note(text)
    show(_for_people(table, format), top, format, output, force=force)
    warn_of_nothing(condition, found=bool(table[["total_bytes_a", "total_bytes_b"]].any(axis=None)))
    if len(table) and _for_people(table, "table").empty:
        note("No difference: every row is the same in both")
    if html:
        with opened(html, force=force) as file:
            export_diff(snap_a, snap_b, file, where=condition)
    if limit is not None:
        _fail_above(limit, str(fail_above), table)


def _fail_above(limit: int, asked: str, table: "pd.DataFrame") -> None:
    over = table[table["total_bytes_delta"] > limit].sort_values("total_bytes_delta", ascending=False, kind="stable")
    if over.empty:
        return
    # Of two kernels, symbols stand in the place of stack.
    keys = list(table.columns)[: list(table.columns).index("mem_bytes_a")]
    named = most_grown(over, keys, map(format_size, over["total_bytes_delta"]))
    fail(f"{counted(len(over), 'row')} grew by more than {asked}: {named}", None, EXIT_THRESHOLD)


# What grew would seem to have shrunk, and no threshold would ever be crossed.
def _check_order(relation: "Relation", a: str, b: str, *, gate: bool) -> None:
    if relation.seconds is None or relation.seconds >= 0:
        return
    said = f"{b} was taken {-relation.seconds:,.1f} s before {a}"
    if gate:
        raise UsageError(f"{said}: --fail-above would miss what grew", hint=f"name the earlier one first: {b} {a}")
    warn(f"{said}; name the earlier one first: spo-trace diff {b} {a}")


def _limit(text: str | None) -> int | None:
    from spo_trace.reporters.format import parse_size

    try:
        return None if text is None else parse_size(text)
    except ValueError as error:
        hint = "a size such as 4096, 512K, 64Mi, 64MiB or 1.5G; K, M, G … are of 1024 each"
        raise UsageError(f"--fail-above: {error}", hint=hint) from error


# A and B of memory and of swap apart would make lines too long to read, and rows that did not change hide those that
# did; csv and json have all.
def _for_people(table: "pd.DataFrame", format: str) -> "pd.DataFrame":
    if format in ("csv", "json"):
        return table
    changed = table[["mem_bytes_delta", "swap_bytes_delta"]].fillna(0).any(axis=1)
    return table[changed].drop(columns=["mem_bytes_a", "mem_bytes_b", "swap_bytes_a", "swap_bytes_b"])
