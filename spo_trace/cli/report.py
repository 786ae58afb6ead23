# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace report."""

from typing import Annotated

from spo_trace.cli.errors import guarded
from spo_trace.cli.inputs import open_snapshot
from spo_trace.cli.option_groups import DocumentOptions, QuestionOptions, grouped
from spo_trace.cli.options import Html, PageSize, Source, flag, option
from spo_trace.cli.output import check_html, opened
from spo_trace.cli.tables import no_match_notes, show

__all__ = ["command"]


NoFindings = Annotated[
    bool,
    flag(
        "--no-findings",
        help="Leave out the findings (see spo-trace explain), above a table of all records and in the HTML report.",
    ),
]
Sort = Annotated[str, option("--sort", shows="COLUMN", help="total, mem, swap or a key.", default=True)]


@guarded
@grouped
def command(
    snapshot: Source,
    asked: QuestionOptions,
    sort: Sort = "total",
    document: DocumentOptions = DocumentOptions(),  # noqa: B008  # frozen
    html: Html = None,
    page_size: PageSize = None,
    no_findings: NoFindings = False,
) -> None:
    """Show who owns how much memory and swap.

    \b
        spo-trace report now.spo
        spo-trace report now.spo --by category,comm --sort swap
        spo-trace report now.spo --by stack --top 5
        spo-trace report now.spo --by callsite --where 'category == "network"'
        spo-trace report capture.tar.gz --where 'memcg == "web.slice"' --format csv
        spo-trace report now.spo --by site
        spo-trace report now.spo --by slab_cache
        spo-trace report now.spo --html now.html
    """
    to = document.target(html)
    check_html(html, document.output, force=document.force)
    from spo_trace.analysis.aggregate_keys import check_answered, usual_key_notes, with_usual_key
    from spo_trace.analysis.attribution import ORDERS, record_columns
    from spo_trace.analysis.counted_apart import apart_notes, is_counted_apart
    from spo_trace.analysis.shared_names import name_columns
    from spo_trace.analysis.snapshot_notes import NOTED_COLUMNS, input_notes, snapshot_notes, total_note
    from spo_trace.analysis.swap_least import attribute_with_least, least_notes
    from spo_trace.analysis.totals import has_any, totals
    from spo_trace.exporting import export, html_columns
    from spo_trace.findings.explain import explain, explained_columns
    from spo_trace.findings.sentences import summary
    from spo_trace.snapshots.in_memory import in_memory

    question = asked.question(sort, ORDERS)
    # The HTML report needs more columns than the table.
    columns = None if html else {*record_columns(question, "pages"), *name_columns(question.keys), *NOTED_COLUMNS}
    explained = question.condition.text is None and not no_findings and (bool(html) or not to.for_programs)
    if columns and explained:
        columns |= explained_columns("pages")
    snap = open_snapshot(snapshot, columns, page_size=page_size)
    if html:
        snap = in_memory(snap, html_columns(question, explained=explained))
    question = with_usual_key(question, snap)
    check_answered(snap, question)
    found = explain(snap, snapshot) if explained else None
    table = attribute_with_least(snap, question)
    total = totals(table)
    notes = [*usual_key_notes(question, snap), *no_match_notes(question.condition, found=has_any(total))]
    if is_counted_apart(question.keys):
        notes += apart_notes(snap, question.keys, total)
    else:
        notes += [total_note(total, snap), *snapshot_notes(snap, question, total), *least_notes(snap, question)]
    show(table, to, notes, printed=input_notes(snap), findings=summary(found), top=question.top)
    if html:
        with opened(html, force=to.force, access=to.access) as file:
            export(snap, "html", file, question, found=found)
