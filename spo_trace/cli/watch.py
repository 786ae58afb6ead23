# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace watch."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from spo_trace.cli.guard import guarded
from spo_trace.cli.options import By, Jobs, Where, condition_of, keys_of
from spo_trace.cli.output import note
from spo_trace.cli.watching import SORTS, Lines, Terminal
from spo_trace.errors import UsageError

__all__ = ["command"]


@guarded
def command(
    by: By = None,
    interval: Annotated[
        float | None,
        typer.Option(
            "--interval",
            "-n",
            metavar="SECONDS",
            min=0.1,
            help="Time from one sample to the next. Default: 5; with --from none.",
            show_default=False,
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            "--count",
            "-c",
            metavar="N",
            min=1,
            help="Stop after so many samples. Default: on Ctrl-C.",
            show_default=False,
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            "--top",
            metavar="N",
            min=0,
            help="Owners to show, 0 for all. Default: as many as fit the terminal; 10 in plain lines.",
            show_default=False,
        ),
    ] = None,
    sort: Annotated[
        str,
        typer.Option("--sort", metavar="NAME", help="growth (since the start), interval, total, mem or swap."),
    ] = "growth",
    where: Where = None,
    method: Annotated[
        str,
        typer.Option(
            "--method",
            metavar="NAME",
            help="counts: the kernel's own count for each stack (page_owner_stacks, Linux 6.9+): cheap, memory and "
            "swap in one number, and only --by stack, symbols, caller, module, category. full: every record. auto: "
            "counts where they can answer, else full.",
        ),
    ] = "auto",
    jobs: Jobs = None,
    record: Annotated[
        Path | None,
        typer.Option(
            "--record",
            metavar="DIR",
            help="Keep each sample in DIR, as a small Parquet file, for spo-trace trend.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the recording DIR if it exists.")] = False,
    from_: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="PATH",
            help="In place of this machine: captures (repeat it), a directory of captures, or the simulator's "
            "scenario.",
            show_default=False,
        ),
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(
            "--backend",
            metavar="NAME",
            help="live (default), capture (default with --from) or simulator.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Watch who owns memory and swap, and who grows.

    A live view on a terminal, plain lines elsewhere. Ctrl-C ends it; what was recorded by then is kept.

    \b
        sudo spo-trace watch
        sudo spo-trace watch --by stack -n 60 --record day    # then: spo-trace trend day
        spo-trace watch --from leak --backend simulator -n 1  # without root
    """
    if sort not in SORTS:
        raise UsageError(f"can't sort by {sort!r}", hint=f"choose one of {', '.join(SORTS)}")
    from spo_trace.sampling import api

    keys = keys_of(by)
    display = (Terminal if sys.stdout.isatty() else Lines)(keys, sort, top)
    samples = api.watch(
        keys,
        where=condition_of(where),
        method=method,
        jobs=jobs,
        interval=interval,
        count=count,
        from_=from_,
        backend=backend,
        record=record,
        force=force,
        progress=display.progress(),
    )
    try:
        with display:
            for sample in samples:
                display.show(sample)
    except KeyboardInterrupt:
        # How a watch ends; unless it had not begun.
        if not display.taken:
            raise
    display.leave()
    if record:
        note(f"Wrote {record}: {display.taken} samples; next: spo-trace trend {record}")
