# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace diff."""

from typing import TYPE_CHECKING, Annotated

from spo_trace.analysis.notes import Note, NoteCode
from spo_trace.cli.errors import fail, guarded
from spo_trace.cli.growth_limit import FailAbove, growth_limit
from spo_trace.cli.inputs import open_snapshot
from spo_trace.cli.option_groups import DocumentOptions, QuestionOptions, grouped
from spo_trace.cli.options import Html, PageSize, SourceA, SourceB, option
from spo_trace.cli.output import check_html, opened, warn
from spo_trace.cli.tables import Target, most_grown, no_match_notes, print_notes, show
from spo_trace.errors import EXIT_THRESHOLD, UsageError
from spo_trace.reporters.format import counted, format_size

if TYPE_CHECKING:
    import pandas as pd

    from spo_trace.analysis.diff import Relation
    from spo_trace.snapshots.reader import Snapshot

__all__ = ["command"]

Sort = Annotated[
    str,
    option(
        "--sort",
        shows="ORDER",
        help="change: the larger of the absolute changes of memory and swap, so that pages moved to swap rank by their "
        "size. growth, shrink: the increase or decrease of the total. mem, swap, total: the absolute change. Or rate, "
        "or a key.",
        default=True,
    ),
]
MatchBy = Annotated[
    str,
    option(
        "--match",
        shows="HOW",
        help="How --by stack and --html match stacks. exact: frame by frame. symbols: by all function names. common: "
        "by the innermost three functions that both kernels have, without those of allocators. auto: exact for one "
        "kernel build or boot, symbols for one release (uname -r), else common.",
        default=True,
        values=("auto", "exact", "symbols", "common"),
    ),
]


@guarded
@grouped
def command(
    a: SourceA,
    b: SourceB,
    asked: QuestionOptions,
    sort: Sort = "change",
    match: MatchBy = "auto",
    document: DocumentOptions = DocumentOptions(),  # noqa: B008  # frozen
    html: Html = None,
    page_size: PageSize = None,
    fail_above: FailAbove = None,
) -> None:
    """Show what changed between two snapshots.

    \b
        spo-trace diff before.spo after.spo
        spo-trace diff before.spo after.spo --by stack --top 5
        spo-trace diff before.spo after.spo --by caller --fail-above 1MiB    # a leak test for CI
        spo-trace diff before.spo after.spo --html growth.html

    A change is the amount in B minus that in A: give the earlier snapshot first. The largest change comes first.
    A diff by stack says how many pages have a stack that is in both, and by what it was matched.
    """
    to = document.target(html)
    check_html(html, document.output, force=document.force)
    limit = growth_limit(fail_above)
    from spo_trace.analysis.aggregate_keys import check_answered, usual_key_notes, with_usual_key
    from spo_trace.analysis.diff import diff, relate
    from spo_trace.analysis.diff_notes import relation_notes
    from spo_trace.analysis.diff_order import DIFF_ORDERS
    from spo_trace.analysis.stack_match import match_of
    from spo_trace.analysis.totals import totals
    from spo_trace.exporting import export_diff, html_columns
    from spo_trace.snapshots.in_memory import in_memory

    question = asked.question(sort, DIFF_ORDERS)
    matched_by = match_of(match, [*question.keys, *(["stack"] if html else [])])
    snap_a, snap_b = open_snapshot(a, page_size=page_size), open_snapshot(b, page_size=page_size)
    question = with_usual_key(question, snap_a, snap_b)
    for snap in (snap_a, snap_b):
        check_answered(snap, question)
    if html:
        columns = html_columns(question, explained=question.condition.text is None)
        snap_a, snap_b = (in_memory(snap, columns) for snap in (snap_a, snap_b))
    table = diff(snap_a, snap_b, question, matched_by)
    relation = relate(snap_a, snap_b)
    _check_order(relation, a, b, gate=limit is not None)
    related = usual_key_notes(question, snap_a, snap_b)
    related += relation_notes(snap_a, snap_b, question, relation, totals(table))
    print_notes(related, to)
    notes = [
        *no_match_notes(question.condition, found=len(table) > 0),
        *_notes(table, snap_a, snap_b, relation.same_kernel),
    ]
    _show(table, to, notes, printed=[*_input_notes(snap_a, snap_b), *related], top=question.top)
    if html:
        with opened(html, force=to.force, access=to.access) as file:
            export_diff(snap_a, snap_b, file, question, names=(a, b), match=matched_by)
    if limit is not None:
        _fail_above(limit, str(fail_above), table)


def _notes(table: "pd.DataFrame", a: "Snapshot", b: "Snapshot", same_kernel: bool | None) -> list[Note]:
    from spo_trace.analysis.diff_notes import changes_note, matched_notes
    from spo_trace.analysis.diff_summary import changes
    from spo_trace.analysis.snapshot_notes import placeholder_notes

    notes = [
        *placeholder_notes(a, "A"),
        *placeholder_notes(b, "B"),
        *matched_notes(table, a, b, same_kernel=same_kernel),
    ]
    if len(table) and not _changed(table).any():
        return [*notes, Note(NoteCode.NO_DIFFERENCE, "No difference: all rows are equal in both snapshots")]
    return [*notes, changes_note(changes(table), _keys(table))]


def _input_notes(a: "Snapshot", b: "Snapshot") -> list[Note]:
    from spo_trace.analysis.snapshot_notes import input_notes

    return [*input_notes(a, "A"), *input_notes(b, "B")]


# Separate columns A and B of memory and swap would make the lines too long to read; csv and json have them.
def _show(table: "pd.DataFrame", to: Target, notes: list[Note], *, printed: list[Note], top: int | None) -> None:
    from spo_trace.analysis.attribution import PARTS
    from spo_trace.analysis.diff_summary import changes
    from spo_trace.analysis.totals import totals

    changed = _changed(table)
    total = totals(table) | {f"{name}_bytes": size for name, size in changes(table)._asdict().items()}
    if not to.for_programs:
        table = table.drop(columns=[f"{name}_bytes_{side}" for name in PARTS for side in "ab"])
    show(table, to, notes, printed=printed, top=top, changed=changed, total=total)


def _changed(table: "pd.DataFrame") -> "pd.Series":
    return table[["mem_bytes_delta", "swap_bytes_delta"]].fillna(0).any(axis=1)


# With two kernels, another column replaces stack.
def _keys(table: "pd.DataFrame") -> list[str]:
    from spo_trace.schema import KEY_KNOWN

    before = list(table.columns)[: list(table.columns).index("mem_bytes_a")]
    return [name for name in before if name != KEY_KNOWN]


def _fail_above(limit: int, asked: str, table: "pd.DataFrame") -> None:
    over = table[table["total_bytes_delta"] > limit].sort_values("total_bytes_delta", ascending=False, kind="stable")
    if over.empty:
        return
    named = most_grown(over, _keys(table), map(format_size, over["total_bytes_delta"]))
    fail(f"{counted(len(over), 'row')} grew by more than {asked}: {named}", None, EXIT_THRESHOLD)


# In the wrong order, growth looks like shrinkage, and --fail-above misses it.
def _check_order(relation: "Relation", a: str, b: str, *, gate: bool) -> None:
    if relation.seconds is None or relation.seconds >= 0:
        return
    text = f"{b} was taken {-relation.seconds:,.1f} s before {a}"
    if gate:
        raise UsageError(f"{text}: --fail-above would miss growth", hint=f"name the earlier snapshot first: {b} {a}")
    warn(f"{text}; name the earlier snapshot first: spo-trace diff {b} {a}")
