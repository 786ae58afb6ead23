# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace export."""

import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, cast

import typer

from spo_trace.cli.guard import guarded
from spo_trace.cli.opening import open_snapshot
from spo_trace.cli.options import Force, Source, Where, condition_of
from spo_trace.cli.output import check_output, opened
from spo_trace.errors import UsageError

if TYPE_CHECKING:
    from spo_trace.snapshots.reader import Snapshot

__all__ = ["command"]

_FORMATS = ("folded", "csv", "json", "parquet")
_WEIGHTS = ("total", "mem", "swap")


@guarded
def command(
    snapshot: Source,
    format: Annotated[
        str, typer.Option("--format", "-f", metavar="NAME", help="folded, csv, json or parquet.")
    ] = "folded",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write here instead of to stdout.")
    ] = None,
    weight: Annotated[
        str, typer.Option("--weight", metavar="NAME", help="Bytes of folded stacks: total, mem or swap.")
    ] = "total",
    where: Where = None,
    force: Force = False,
) -> None:
    """Write a snapshot for other tools.

    folded: stacks with bytes, for flamegraph.pl, inferno or speedscope. csv, json, parquet: every record of memory
    and swap in one flat table.

    \b
        spo-trace export now.spo | flamegraph.pl --countname bytes > now.svg
        spo-trace export now.spo --format parquet -o now.parquet
    """
    if format not in _FORMATS:
        raise UsageError(f"there is no format {format!r}", hint=f"choose one of {', '.join(_FORMATS)}")
    if weight not in _WEIGHTS:
        raise UsageError(f"there is no weight {weight!r}", hint=f"choose one of {', '.join(_WEIGHTS)}")
    if (where or weight != "total") and format != "folded":
        hint = "the flat table has all: whatever reads it can choose"
        raise UsageError("--where and --weight go with folded stacks", hint=hint)
    if format == "parquet" and output is None and sys.stdout.isatty():
        raise UsageError("Parquet is no text for a terminal", hint="name a file with -o")
    check_output(output, force=force)
    snap = open_snapshot(snapshot)
    with opened(output, force=force) as file:
        if format == "folded":
            _write_folded(snap, file, weight, condition_of(where))
        else:
            _write_records(snap, file, format)


def _write_folded(snap: "Snapshot", file: TextIOWrapper, weight: str, where: str | None) -> None:
    from spo_trace.analysis.attribution import attribute
    from spo_trace.reporters.folded import render_folded

    render_folded(attribute(snap, ["comm", "stack"], where=where), file, weight=f"{weight}_bytes")


def _write_records(snap: "Snapshot", file: TextIOWrapper, format: str) -> None:
    from spo_trace.analysis.records import record_tables, records_schema, to_frames
    from spo_trace.reporters.csv_file import render_csv
    from spo_trace.reporters.json_file import render_json
    from spo_trace.reporters.parquet_file import render_parquet

    if format == "parquet":
        render_parquet(record_tables(snap), records_schema(), cast(BinaryIO, file.buffer))
    elif format == "csv":
        render_csv(to_frames(record_tables(snap)), file)
    else:
        render_json(to_frames(record_tables(snap)), file)
