# SPDX-License-Identifier: LGPL-2.1-or-later
"""The place that joins analysis and reporters: a snapshot, or the difference of two, in the formats of other tools."""

from collections.abc import Iterator
from typing import TextIO

import pandas as pd

from spo_trace.analysis.ages import AGES, ages
from spo_trace.analysis.attribution import attribute
from spo_trace.analysis.balance import balance
from spo_trace.analysis.diff import Relation, diff, relate
from spo_trace.analysis.known import unknown_amounts
from spo_trace.analysis.records import record_tables, records_schema, text_frames
from spo_trace.analysis.stack_rules import CATEGORIES
from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.reporters.format import format_size, printable
from spo_trace.shortcomings import shortcomings
from spo_trace.snapshots.reader import Snapshot
from spo_trace.version import __version__

__all__ = ["export", "export_diff", "relation_notes", "snapshot_notes", "swap_note"]


def export(snap: Snapshot, format: str, outfile: TextIO, *, where: str | None = None, weight: str = "total") -> None:
    """Write a snapshot to `outfile` (UTF-8; of pprof and parquet, to its `.buffer`).

    `format`: folded, speedscope, pprof or html, of the rows for which `where` holds; csv, json or parquet: every record
    in one flat table, with its size in `bytes`. swp_entry and page_flags are hexadecimal text there, exact in any tool;
    in_table and alloc_order repeat where and order, whose names SQL reserves. See docs/flat-table.md.
    `weight` (total, mem or swap): the bytes of folded stacks. Raise UsageError for a format or condition that can't be,
    SpoTraceError for a weight that the snapshot does not know.

    >>> with open("now.html", "w") as file:              # doctest: +SKIP
    ...     spo.export(snap, "html", file)
    """
    match format:
        case "folded":
            from spo_trace.reporters.folded import render_folded

            _check_known(snap, weight)
            render_folded(attribute(snap, ["comm", "stack"], where=where), outfile, weight=f"{weight}_bytes")
        case "speedscope":
            from spo_trace.reporters.speedscope import render_speedscope

            table = attribute(snap, ["comm", "stack", "symbols"], where=where)
            render_speedscope(table, outfile, name=_machine(snap), unknown=unknown_amounts(snap))
        case "pprof":
            from spo_trace.reporters.pprof import render_pprof

            table = attribute(snap, ["stack", "symbols", "comm", "memcg", "order"], where=where)
            comments = [printable(f"{name}: {value}") for name, value in _facts(snap, where) if value]
            taken_at, unknown = snap.meta["taken_at"], unknown_amounts(snap)
            render_pprof(table, outfile.buffer, taken_at=taken_at, comments=comments, unknown=unknown)
        case "html":
            _export_html(snap, outfile, where)
        case "csv" | "json" | "parquet":
            _export_records(snap, format, outfile)
        case _:
            raise UsageError(f"there is no format {format!r}", hint="choose one that spo-trace export --help names")


# Written as 0, what is not known would look like nothing.
def _check_known(snap: Snapshot, weight: str) -> None:
    if weight in unknown_amounts(snap):
        name = _TITLES[weight]
        raise SpoTraceError(f"{_name(snap)} does not tell who owns {name}", hint=f"--weight total is all but {name}")


def _export_records(snap: Snapshot, format: str, outfile: TextIO) -> None:
    from spo_trace.reporters.csv_file import render_csv
    from spo_trace.reporters.json_file import render_json
    from spo_trace.reporters.parquet_file import render_parquet

    if format == "parquet":
        render_parquet(record_tables(snap), records_schema(), outfile.buffer)
    elif format == "csv":
        render_csv(text_frames(record_tables(snap)), outfile)
    else:
        render_json(text_frames(record_tables(snap)), outfile)


def _export_html(snap: Snapshot, outfile: TextIO, where: str | None) -> None:
    from spo_trace.reporters.html.report import STACK_KEYS, ReportTables, render_report

    tables = ReportTables(
        attribute(snap, STACK_KEYS, where=where),
        attribute(snap, ["memcg", "comm"], where=where),
        ages(snap, where=where),
        _balance(snap) if where is None else None,
        AGES,
        CATEGORIES,
    )
    render_report(
        tables,
        outfile,
        title=f"Memory of {_machine(snap)}",
        facts=_facts(snap, where),
        notes=[*shortcomings(snap.meta), *snapshot_notes(snap)],
        version=__version__,
        unknown=unknown_amounts(snap),
    )


_TITLES = {"mem": "memory", "swap": "swap"}


# None of a page_owner file alone: there is nothing to hold it against.
def _balance(snap: Snapshot) -> pd.DataFrame | None:
    try:
        return balance(snap)
    except SpoTraceError:
        return None


def export_diff(a: Snapshot, b: Snapshot, outfile: TextIO, *, where: str | None = None) -> None:
    """Write the difference of two snapshots, of the rows for which `where` holds, as an HTML page.

    >>> with open("growth.html", "w") as file:           # doctest: +SKIP
    ...     spo.export_diff(before, after, file)
    """
    from spo_trace.reporters.html.diff import render_diff
    from spo_trace.reporters.html.report import STACK_KEYS

    relation = relate(a, b)
    lacking = [f"{side}: {text}" for side, snap in (("A", a), ("B", b)) for text in shortcomings(snap.meta)]
    facts = [[(side, _name(snap)), *_facts(snap, None)[1:]] for side, snap in (("A", a), ("B", b))]
    render_diff(
        diff(a, b, STACK_KEYS, where=where),
        outfile,
        title=f"Growth from {_name(a)} (A) to {_name(b)} (B)",
        facts=[*facts, [("only", where)]],
        notes=[*relation_notes(a, b, relation), *lacking],
        seconds=relation.seconds,
        version=__version__,
        unknown=[name for name in _TITLES if name not in relation.known],
    )


def relation_notes(a: Snapshot, b: Snapshot, relation: Relation) -> list[str]:
    """Return what to know of how two snapshots compare, a sentence each."""
    notes = []
    if relation.same_kernel is None:
        notes.append("Not both tell their kernel (uname): stacks are compared by function names (symbol_hash)")
    elif not relation.same_kernel:
        kernels = " and ".join(f"{snap.meta['kernel_release']} {snap.meta['kernel_version']}" for snap in (a, b))
        notes.append(f"Different kernels ({kernels}): stacks are compared by function names (symbol_hash), no rate")
    if relation.seconds is not None:
        back = ", B before A: what grew is shown as shrunk" if relation.seconds < 0 else ""
        notes.append(f"One boot, {abs(relation.seconds):,.1f} s apart{back}")
    elif relation.same_kernel is not False:
        notes.append("Not of one boot, as far as they tell: no rate")
    return [*notes, *_left_out(a, b, relation)]


def _left_out(a: Snapshot, b: Snapshot, relation: Relation) -> Iterator[str]:
    for name, title in _TITLES.items():
        if name not in relation.known:
            one = any(name not in unknown_amounts(snap) for snap in (a, b))
            used = f"; in use: {_swap_used(a)} in A, {_swap_used(b)} in B" if name == "swap" else ""
            who = "Only one of them knows" if one else "Neither of them knows"
            yield f"{who} who owns what is in {title}: {title} is left out{used}"
    cached = [_swap_cache(snap) for snap in (a, b)]
    if len(relation.known) == len(_TITLES) and any(cached):
        sizes = ", ".join(f"{format_size(size)} in {side}" for side, size in zip("AB", cached, strict=True))
        yield f"In the swap cache, counted both in memory and in swap: {sizes}"


def snapshot_notes(snap: Snapshot) -> list[str]:
    """Return what to know of a snapshot's amounts, a sentence each."""
    notes = [swap_note(snap)]
    if "mem" in unknown_amounts(snap):
        notes.append("Not in it: memory, whose owners are not known (there is no page_owner)")
    elif (cached := _swap_cache(snap)) and "swap" not in unknown_amounts(snap):
        notes.append(f"In the swap cache, counted both in memory and in swap: {format_size(cached)}")
    return [note for note in notes if note]


# By /proc/meminfo; which pages these are is not told.
def _swap_cache(snap: Snapshot) -> int:
    return int(snap.meta["meminfo"].get("SwapCached", 0))


def _swap_used(snap: Snapshot) -> str:
    areas = snap.meta["swaps"]
    return format_size(sum(area["used"] for area in areas)) if areas else "unknown"


def swap_note(snap: Snapshot) -> str | None:
    """Return a sentence on swap that is used but whose owners are not known, None if there is none."""
    swap_owner = snap.meta["swap_owner"]
    if swap_owner["origin"] is None:
        unknown, why = sum(area["used"] for area in snap.meta["swaps"]), swap_owner["why"]
    else:
        unknown = swap_owner.get("unknown_pages", 0) * snap.page_size
        why = "there before the probes were attached"
    if not unknown:
        return None
    return f"Not in it: {format_size(unknown)} in swap, whose owners are not known ({why})"


def _name(snap: Snapshot) -> str:
    return snap.path.absolute().name.removesuffix(".spo")


# "(none)" is what a kernel calls itself that nobody named.
def _machine(snap: Snapshot) -> str:
    host, release = snap.meta["host"], snap.meta["kernel_release"]
    named = host if host and host != "(none)" else _name(snap)
    return f"{named}, Linux {release}" if release else named


def _records(snap: Snapshot) -> str:
    tables = {"mem": "pages", "swap": "swap"}
    told = [name for name in tables if name not in unknown_amounts(snap)]
    return ", ".join(f"{snap.count(tables[name]):,} of {_TITLES[name]}" for name in told)


def _facts(snap: Snapshot, where: str | None) -> list[tuple[str, str | None]]:
    uptime = snap.meta["uptime_start"]
    kernel = " ".join(filter(None, (snap.meta[key] for key in ("kernel_release", "kernel_version", "arch"))))
    return [
        ("snapshot", _name(snap)),
        ("kernel", kernel),
        ("taken", snap.meta["taken_at"]),
        ("uptime", f"{uptime:,.0f} s" if uptime is not None else None),
        ("records", _records(snap)),
        ("only", where),
    ]
