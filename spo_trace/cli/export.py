# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace export."""

import sys
from pathlib import Path
from typing import Annotated

from spo_trace.cli.errors import guarded
from spo_trace.cli.inputs import open_snapshot
from spo_trace.cli.options import CsvSafe, Force, Mode, Output, Owner, PageSize, Source, Where, condition_of, option
from spo_trace.cli.output import access_of, check_output, note, opened, warn
from spo_trace.cli.tables import chosen_format, no_match_notes
from spo_trace.errors import UsageError
from spo_trace.reporters.export_formats import BINARY_FORMATS, EXPORT_FORMATS, check_export

__all__ = ["command"]

# The format by the suffix of the file name, longer suffixes first.
_ENDINGS = {
    **{".speedscope.json": "speedscope", ".json": "json", ".pb.gz": "pprof", ".pprof": "pprof", ".html": "html"},
    **{".csv": "csv", ".parquet": "parquet", ".folded": "folded", ".txt": "folded"},
}

ExportFormat = Annotated[
    str | None,
    option(
        "--format",
        "-f",
        shows="NAME",
        help=f"{', '.join(EXPORT_FORMATS)}. Default: chosen by the suffix of -o ({', '.join(_ENDINGS)}), else folded.",
    ),
]


@guarded
def command(
    snapshot: Source,
    format: ExportFormat = None,
    output: Output = None,
    weight: Annotated[
        str, option("--weight", shows="NAME", help="Amount in folded stacks: total, mem or swap.", default=True)
    ] = "total",
    where: Where = None,
    csv_safe: CsvSafe = False,
    owner: Owner = None,
    mode: Mode = None,
    page_size: PageSize = None,
    force: Force = False,
) -> None:
    """Write a snapshot for other tools.

    folded: stacks with bytes, for flamegraph.pl, inferno or speedscope. speedscope: memory, swap and total as three
    profiles, for speedscope.app. pprof: mem_bytes, swap_bytes and pages, with comm, memcg and order as tags. html: a
    self-contained HTML report. csv, json, parquet: the records of memory and swap in one flat table.

    \b
        spo-trace export now.spo | flamegraph.pl --countname bytes > now.svg
        spo-trace export now.spo --format html -o now.html
        spo-trace export now.spo --format pprof -o now.pb.gz
        go tool pprof -top -cum -sample_index=swap_bytes now.pb.gz
        go tool pprof -top -cum -diff_base before.pb.gz now.pb.gz
        spo-trace export now.spo --format parquet -o now.parquet
        spo-trace export now.spo --where 'comm == "dd"' -o dd.csv
    """
    format = _format_for(format, output)
    _check_usage(format, weight, output, csv_safe=csv_safe)
    access = access_of(owner, mode, output)
    check_output(output, force=force)
    from spo_trace.analysis.attribution import attribute
    from spo_trace.analysis.question import Question
    from spo_trace.analysis.snapshot_notes import snapshot_notes
    from spo_trace.analysis.totals import has_any, totals
    from spo_trace.exporting import export, html_columns
    from spo_trace.findings.explain import explain
    from spo_trace.snapshots.in_memory import in_memory

    question = Question.of([], condition_of(where))
    snap = open_snapshot(snapshot, page_size=page_size)
    if format == "html":
        snap = in_memory(snap, html_columns(question, explained=not where))
    notes = []
    # An HTML report on sites alone has its notes in the page.
    if snap.meta.has_owners or format != "html":
        total = totals(attribute(snap, question))
        notes = [*snapshot_notes(snap, question, total), *no_match_notes(question.condition, found=has_any(total))]
    for one in notes:
        (warn if one.warning else note)(one.text)
    found = explain(snap, snapshot) if format == "html" and not where else None
    with opened(output, force=force, access=access) as file:
        export(snap, format, file, question, weight=weight, csv_safe=csv_safe, found=found)


# Files of speedscope may end with .json, too.
def _format_for(format: str | None, output: Path | None) -> str:
    endings = _ENDINGS | ({".json": "speedscope"} if format == "speedscope" else {})
    return chosen_format(format, output, EXPORT_FORMATS, endings)


def _check_usage(format: str, weight: str, output: Path | None, *, csv_safe: bool) -> None:
    check_export(format, weight=weight, csv_safe=csv_safe)
    if format in BINARY_FORMATS and output is None and sys.stdout.isatty():
        raise UsageError(f"{format} is a binary format and cannot be written to a terminal", hint="name a file with -o")
