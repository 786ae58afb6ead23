# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace diff."""

from typing import TYPE_CHECKING, Annotated

import typer

from spo_trace.cli.guard import fail, guarded
from spo_trace.cli.opening import open_snapshot
from spo_trace.cli.options import By, Force, Format, Output, Source, Top, Where, keys_of
from spo_trace.cli.output import check_output, note
from spo_trace.cli.showing import check_format, check_question, show, sort_column
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

    Snapshots of different kernels are compared too: stacks then by function names, without offsets.
    """
    check_format(format)
    check_output(output, force=force)
    limit = _limit(fail_above)
    from spo_trace.analysis.diff import diff, relate

    check_question(keys_of(by), where)
    snap_a, snap_b = open_snapshot(a), open_snapshot(b)
    table = diff(snap_a, snap_b, keys_of(by), where=where)
    column = sort_column(sort, table)
    relation = relate(snap_a, snap_b)
    if not relation.same_kernel:
        kernels = " and ".join(f"{s.meta['kernel_release']} {s.meta['kernel_version']}" for s in (snap_a, snap_b))
        note(f"Different kernels ({kernels}): stacks are compared by function names (symbol_hash), no rate")
    elif relation.seconds is None:
        note("Not of one boot, as far as they tell: no rate")
    else:
        note(f"One boot, {relation.seconds:,.1f} s apart")
    if column != "total_bytes_delta":
        table = table.sort_values(column, ascending=column in keys_of(by), ignore_index=True, kind="stable")
    show(_for_people(table, format), top, format, output, force=force)
    if limit is not None and (over := table[table["total_bytes_delta"] > limit]).size:
        fail(f"{len(over)} rows grew by more than {fail_above}", None, EXIT_THRESHOLD)


def _limit(text: str | None) -> int | None:
    from spo_trace.reporters.format import parse_size

    try:
        return None if text is None else parse_size(text)
    except ValueError as error:
        raise UsageError(f"--fail-above: {error}", hint="such as 512K, 64MiB or 1.5G") from error


# A and B of memory and of swap apart would make lines too long to read; csv and json have them.
def _for_people(table: "pd.DataFrame", format: str) -> "pd.DataFrame":
    if format in ("csv", "json"):
        return table
    return table.drop(columns=["mem_bytes_a", "mem_bytes_b", "swap_bytes_a", "swap_bytes_b"])
