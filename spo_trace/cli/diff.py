# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace diff."""

from typing import TYPE_CHECKING, Annotated

import typer

from spo_trace.cli.guard import fail, guarded
from spo_trace.cli.opening import open_snapshot
from spo_trace.cli.options import By, Force, Format, Html, Output, Source, Top, Where, condition_of, keys_of
from spo_trace.cli.output import check_output, check_page, note, opened
from spo_trace.cli.showing import check_format, check_question, show, sorted_by
from spo_trace.errors import EXIT_THRESHOLD, UsageError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["command"]


@guarded
def command(
    a: Source,
    b: Source,
    by: By = None,
    top: Top = 20,
    sort: Annotated[
        str, typer.Option("--sort", metavar="COLUMN", help="total, mem, swap (growth), rate or a key.")
    ] = "total",
    where: Where = None,
    format: Format = "table",
    output: Output = None,
    html: Html = None,
    force: Force = False,
    fail_above: Annotated[
        str | None,
        typer.Option(
            "--fail-above",
            metavar="SIZE",
            help="Exit with 3 if any row grew by more, such as 512K or 1GiB.",
            show_default=False,
        ),
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
    check_format(format)
    check_output(output, force=force)
    check_page(html, output, force=force)
    limit = _limit(fail_above)
    from spo_trace.analysis.diff import diff, relate
    from spo_trace.exporting import export_diff, relation_notes

    condition = condition_of(where)
    check_question(keys_of(by), condition)
    snap_a, snap_b = open_snapshot(a), open_snapshot(b)
    table = sorted_by(sort, diff(snap_a, snap_b, keys_of(by), where=condition), keys_of(by))
    for text in relation_notes(snap_a, snap_b, relate(snap_a, snap_b)):
        note(text)
    show(_for_people(table, format), top, format, output, force=force)
    if html:
        with opened(html, force=force) as file:
            export_diff(snap_a, snap_b, file, where=condition)
    if limit is not None and (over := table[table["total_bytes_delta"] > limit]).size:
        fail(f"{len(over)} rows grew by more than {fail_above}", None, EXIT_THRESHOLD)


def _limit(text: str | None) -> int | None:
    from spo_trace.reporters.format import parse_size

    try:
        return None if text is None else parse_size(text)
    except ValueError as error:
        raise UsageError(f"--fail-above: {error}", hint="such as 512K, 64MiB or 1.5G") from error


# A and B of memory and of swap apart would make lines too long to read, and rows that did not change hide those that
# did; csv and json have all.
def _for_people(table: "pd.DataFrame", format: str) -> "pd.DataFrame":
    if format in ("csv", "json"):
        return table
    changed = table[["mem_bytes_delta", "swap_bytes_delta"]].fillna(0).any(axis=1)
    return table[changed].drop(columns=["mem_bytes_a", "mem_bytes_b", "swap_bytes_a", "swap_bytes_b"])
