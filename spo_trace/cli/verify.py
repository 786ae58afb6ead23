# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace verify."""

from typing import Annotated

from spo_trace.cli.guard import fail, guarded
from spo_trace.cli.opening import open_snapshot
from spo_trace.cli.options import Force, Format, Output, PageSize, Source, option
from spo_trace.cli.output import check_output, note, opened
from spo_trace.cli.showing import format_for, show
from spo_trace.errors import EXIT_THRESHOLD

__all__ = ["command"]

# The reader's own pages come and go while it reads: on a small guest they are some percent of very little.
_NEGLIGIBLE = 1 << 20


@guarded
def command(
    snapshot: Source,
    tolerance: Annotated[
        float,
        option("--tolerance", shows="PERCENT", least=0, help="How much may stay unexplained.", default=True),
    ] = 2.0,
    format: Format = None,
    output: Output = None,
    page_size: PageSize = None,
    force: Force = False,
) -> None:
    """Hold what the kernel lists against what the machine uses.

    Memory against MemTotal − MemFree, swap against each device's Used, stacks against nr_base_pages; what the
    difference is made of is named, with numbers. Exits with 3 if more than --tolerance percent, and more than 1 MiB,
    stay unexplained.

    \b
        spo-trace verify now.spo
    """
    format = format_for(format, output)
    check_output(output, force=force)
    from spo_trace.analysis.balance import balance
    from spo_trace.reporters.balance import render_balance

    table = balance(open_snapshot(snapshot, page_size=page_size))
    if format == "table":
        with opened(output, force=force) as file:
            render_balance(table, file)
    else:
        show(table, 0, format, output, force=force)
    rests = table[table["kind"] == "rest"]
    off = rests[(rests["share"].abs() * 100 > tolerance) & (rests["bytes"].abs() > _NEGLIGIBLE)]
    if len(off):
        fail(f"off by more than {tolerance:g}%: {', '.join(off['section'])}", None, EXIT_THRESHOLD)
    note(f"Balanced: what is unexplained is within {tolerance:g}%")
