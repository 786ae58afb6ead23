# SPDX-License-Identifier: LGPL-2.1-or-later
"""Export a snapshot, or the difference of two, in the formats of other tools. Calls both analysis and reporters."""

from collections.abc import Collection, Iterator
from typing import TextIO

import pandas as pd
import pyarrow as pa

from spo_trace.analysis.ages import AGES, ages
from spo_trace.analysis.aggregate_keys import check_answered
from spo_trace.analysis.attribution import attribute, record_columns
from spo_trace.analysis.balance import BALANCE_COLUMNS
from spo_trace.analysis.counted_apart import check_no_condition
from spo_trace.analysis.diff import chosen_match, diff, relate
from spo_trace.analysis.diff_notes import matched_notes, relation_notes
from spo_trace.analysis.keys import SITE
from spo_trace.analysis.known_keys import unknown_amounts
from spo_trace.analysis.notes import Note
from spo_trace.analysis.question import Question
from spo_trace.analysis.records import record_tables, records_schema, text_frames
from spo_trace.analysis.site_stacks import site_owners, site_stacks, site_stacks_diff
from spo_trace.analysis.sites import site_notes
from spo_trace.analysis.snapshot_notes import TITLES, input_notes, placeholder_notes, snapshot_notes
from spo_trace.analysis.stack_keys import is_known, known_frames
from spo_trace.analysis.stack_match import STACK_COLUMNS, Match
from spo_trace.analysis.swap_least import least_notes, swap_least
from spo_trace.analysis.totals import totals
from spo_trace.analysis.verdicts import verified
from spo_trace.analysis.where import Condition
from spo_trace.errors import Argument, SpoTraceError
from spo_trace.findings.documents import html
from spo_trace.findings.explain import explain_change, explained_columns
from spo_trace.findings.finding import Explanation
from spo_trace.reporters.html.rows import STACK_KEYS
from spo_trace.reporters.names import shown_key
from spo_trace.snapshots.in_memory import in_memory
from spo_trace.snapshots.reader import Snapshot
from spo_trace.stacks.rules import CATEGORIES
from spo_trace.version import __version__

__all__ = ["export", "export_diff", "html_columns"]

_PROFILES = ("folded", "speedscope", "pprof")
# Owners of unknown swap that an HTML report names.
_MOST_LEAST = 20


def export(
    snap: Snapshot,
    format: str,
    outfile: TextIO,
    question: Question,
    *,
    weight: str = "total",
    csv_safe: bool = False,
    found: Explanation | None = None,
) -> None:
    """Write the records that match the question's condition to `outfile` (UTF-8; pprof and parquet to its `.buffer`).

    Raise SpoTraceError if a profile is asked for of an aggregate without stacks.
    `format`, `weight` and `csv_safe` as for `spo.export`; each format has its own keys. `found`: the findings of
    an HTML report.
    """
    if format in _PROFILES:
        check_answered(snap, question.grouped_by(["stack"]))
    match format:
        case "folded":
            from spo_trace.reporters.folded import render_folded

            _check_known(snap, weight, unknown_amounts(snap, question.condition))
            render_folded(attribute(snap, question.grouped_by(["comm", "stack"])), outfile, weight=f"{weight}_bytes")
        case "speedscope":
            from spo_trace.reporters.speedscope import render_speedscope

            table = attribute(snap, question.grouped_by(["comm", "stack", "symbols"]))
            unknown = unknown_amounts(snap, question.condition)
            render_speedscope(table, outfile, name=_machine(snap), unknown=unknown)
        case "pprof":
            from spo_trace.reporters.pprof import render_pprof

            table = attribute(snap, question.grouped_by(["stack", "symbols", "comm", "memcg", "order"]))
            comments = [f"{name}: {value}" for name, value in _facts(snap, question.condition) if value]
            taken_at, unknown = snap.meta.machine.taken_at, unknown_amounts(snap, question.condition)
            render_pprof(table, outfile.buffer, taken_at=taken_at, comments=comments, unknown=unknown)
        case "html":
            _export_html(snap, outfile, question, found)
        case _:
            _export_records(record_tables(snap, question.condition), format, outfile, csv_safe=csv_safe)


# An unknown amount must not be written as 0.
def _check_known(snap: Snapshot, weight: str, unknown: Collection[str]) -> None:
    if weight in unknown:
        name = TITLES[weight]
        owners = weight in snap.meta.unknown_amounts
        raise SpoTraceError(
            f"the owners of {name} are unknown in {_name(snap)}"
            if owners
            else f"it is unknown which part of {name} matches the condition",
            hint=(Argument("weight", "total"), f" leaves out {name}"),
        )


def _export_records(records: Iterator[pa.Table], format: str, outfile: TextIO, *, csv_safe: bool) -> None:
    from spo_trace.reporters.csv_file import render_csv
    from spo_trace.reporters.json_file import render_json
    from spo_trace.reporters.parquet_file import render_parquet

    if format == "parquet":
        render_parquet(records, records_schema(), outfile.buffer)
    elif format == "csv":
        render_csv(text_frames(records), outfile, safe=csv_safe)
    else:
        render_json(text_frames(records), outfile)


def html_columns(*questions: Question, explained: bool = False) -> dict[str, list[str]]:
    """Return the columns of each table that the HTML reports on these questions need; `explained`: with findings."""
    every = [*questions, *(one.grouped_by([*STACK_KEYS, "memcg"]) for one in questions)]
    columns = {table: {"ts_nsec", *names} for table, names in BALANCE_COLUMNS.items()}
    for table, names in columns.items():
        names.update(name for one in every for name in record_columns(one, table))
        names.update(explained_columns(table) if explained else ())
    return {table: sorted(names) for table, names in columns.items()}


def _export_html(snap: Snapshot, outfile: TextIO, question: Question, found: Explanation | None) -> None:
    from spo_trace.reporters.html.report import ReportTables, render_report

    snap = in_memory(snap, html_columns(question))
    has_owners = snap.meta.has_owners
    stacks, owners, aged = _owners(snap, question) if has_owners else _sites(snap)
    notes = _notes(snap, question, stacks)
    balance = _balance(snap) if question.condition.text is None else None
    tables = ReportTables(stacks, owners, aged, balance, AGES, CATEGORIES)
    render_report(
        tables,
        outfile,
        title=f"Memory of {_machine(snap)}",
        facts=_facts(snap, question.condition),
        findings="" if found is None else html(found),
        notes=[note.text for note in (*input_notes(snap), *notes)],
        version=__version__,
        unknown=unknown_amounts(snap, question.condition) if has_owners else ["swap"],
        least=_least(snap, question) if has_owners else {},
    )


# The tables of owners, by stack, by memory cgroup, and by age.
def _owners(snap: Snapshot, question: Question) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    stacks = attribute(snap, question.grouped_by(STACK_KEYS))
    stacks["stack"] = known_frames(stacks["stack"])
    return stacks, attribute(snap, question.grouped_by(["memcg", "comm"])), ages(snap, question.grouped_by(["comm"]))


def _sites(snap: Snapshot) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    stacks = site_stacks(snap)
    return stacks, site_owners(stacks, ["memcg", "comm"]), site_owners(stacks, ["comm", "age_from"])


def _notes(snap: Snapshot, question: Question, table: pd.DataFrame) -> list[Note]:
    if not snap.meta.has_owners:
        return site_notes(snap, totals(table))
    return [*snapshot_notes(snap, question, totals(table)), *least_notes(snap, question.grouped_by(["comm"]))]


def _least(snap: Snapshot, question: Question) -> dict[str, list[tuple[str, int]]]:
    """Return the largest lower bounds of unknown swap, by key: the owner as it is displayed, and bytes."""
    found = {}
    for key in ("comm", "memcg"):
        bounds = swap_least(snap, question.grouped_by([key]))
        largest = sorted(bounds.items(), key=lambda one: (-one[1], str(one[0])))[:_MOST_LEAST]
        if largest:
            found[key] = [(shown_key(owner, known=owner is not None), size) for owner, size in largest]
    return found


# None for a page_owner file alone: there is nothing to compare it with.
def _balance(snap: Snapshot) -> pd.DataFrame | None:
    table = verified(snap)
    return None if (table["kind"] == "verdict").all() else table


def export_diff(
    a: Snapshot,
    b: Snapshot,
    outfile: TextIO,
    question: Question,
    *,
    names: tuple[str, str],
    match: Match = Match.AUTO,
) -> None:
    """Write the difference of two snapshots as an HTML page, of the records that match the condition.

    Without owners, it is by site, as if that were a stack; UsageError for a condition. `names`: of the snapshots, for
    the commands in the findings; a page with a condition has no findings. `match`: how stacks are matched.
    """
    from spo_trace.reporters.html.diff import render_diff

    relation = relate(a, b)
    # In the wrong order, what grew would look as if it had shrunk.
    explained = question.condition.text is None and (relation.seconds or 0) >= 0
    a, b = (in_memory(snap, html_columns(question, explained=explained)) for snap in (a, b))
    by_site = not relation.known
    if by_site:
        question = question.grouped_by([SITE])
        check_no_condition(question.keys, question.condition.text)
    match = chosen_match(match, relation)
    table = site_stacks_diff(a, b) if by_site else _diff_by_stack(a, b, question, match)
    notes = [*relation_notes(a, b, question, relation, totals(table))]
    if not by_site and table[STACK_COLUMNS[match]].map(is_known).any():
        notes += matched_notes(table, a, b, same_kernel=relation.same_kernel)
    for side, snap in (("A", a), ("B", b)):
        notes += [*input_notes(snap, side), *placeholder_notes(snap, side)]
    facts = [[(side, _name(snap)), *_facts(snap)[1:]] for side, snap in (("A", a), ("B", b))]
    render_diff(
        table,
        outfile,
        title=f"Growth from {_name(a)} (A) to {_name(b)} (B)",
        facts=[*facts, [("only", question.condition.text)]],
        findings=html(explain_change(a, b, names)) if explained else "",
        notes=[note.text for note in notes],
        seconds=relation.seconds,
        version=__version__,
        unknown=[name for name in TITLES if table[[f"{name}_bytes_a", f"{name}_bytes_b"]].isna().any(axis=None)],
    )


def _diff_by_stack(a: Snapshot, b: Snapshot, question: Question, match: Match) -> pd.DataFrame:
    column = STACK_COLUMNS[match]
    if match is not Match.COMMON:
        table = diff(a, b, question.grouped_by(STACK_KEYS), match)
        return table.assign(**{column: known_frames(table[column])})
    # A caller may have another name in the other release. Then its rows would not be joined.
    table = diff(a, b, question.grouped_by(["stack", "category", "module", "comm"]), match)
    table[column] = known_frames(table[column])
    caller = table[column].str[0]
    return table.assign(caller=caller, callsite=caller)


def _name(snap: Snapshot) -> str:
    return snap.path.absolute().name.removesuffix(".spo")


# "(none)" is the kernel's default host name.
def _machine(snap: Snapshot) -> str:
    host, release = snap.meta.machine.host, snap.meta.machine.kernel_release
    named = host if host and host != "(none)" else _name(snap)
    return f"{named}, Linux {release}" if release else named


def _records(snap: Snapshot) -> str:
    tables = {"mem": "pages", "swap": "swap"}
    known = [name for name in tables if name not in snap.meta.unknown_amounts]
    return ", ".join(f"{snap.count(tables[name]):,} of {TITLES[name]}" for name in known)


def _facts(snap: Snapshot, condition: Condition | None = None) -> list[tuple[str, str | None]]:
    machine = snap.meta.machine
    uptime = machine.uptime_start
    kernel = " ".join(filter(None, (machine.kernel_release, machine.kernel_version, machine.arch)))
    return [
        ("snapshot", _name(snap)),
        ("kernel", kernel),
        ("taken", machine.taken_at),
        ("uptime", f"{uptime:,.0f} s" if uptime is not None else None),
        ("records", _records(snap)),
        ("only", condition.text if condition else None),
    ]
