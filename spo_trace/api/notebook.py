# SPDX-License-Identifier: LGPL-2.1-or-later
"""The HTML of a snapshot in a notebook: machine, time, totals, whether swap is known, and the largest owners."""

from html import escape

from spo_trace.analysis.attribution import attribute
from spo_trace.analysis.known import unknown_amounts
from spo_trace.analysis.question import Question
from spo_trace.analysis.snapshot_notes import snapshot_notes
from spo_trace.errors import SpoTraceError
from spo_trace.reporters.format import UNKNOWN, format_size, printable
from spo_trace.reporters.notebook import table_html
from spo_trace.snapshots.reader import Snapshot

__all__ = ["snapshot_html"]

_OWNERS = 5


def snapshot_html(snap: Snapshot) -> str:
    """Return a summary of `snap` as HTML, with all texts escaped."""
    try:
        owners = attribute(snap, Question.of("comm"))
        unknown = unknown_amounts(snap)
        sums = {name: None if name in unknown else int(owners[f"{name}_bytes"].sum()) for name in ("mem", "swap")}
        amounts = [("memory", sums["mem"]), ("swap", sums["swap"])]
        totals = [(name, UNKNOWN if size is None else format_size(size)) for name, size in amounts]
        notes, table = [note.text for note in snapshot_notes(snap)], table_html(owners.head(_OWNERS))
    except SpoTraceError as error:
        # For example a damaged table: show the facts of snapshot.json all the same.
        totals, notes, table = [], [error.message], ""
    facts = [*_machine(snap), *totals]
    rows = "".join(f'<tr><th style="text-align: left">{_text(n)}</th><td>{_text(v)}</td></tr>' for n, v in facts if v)
    paragraphs = "".join(f"<p>{_text(note)}</p>" for note in notes)
    title = f"<p><b>Snapshot {_text(snap.path.name)}</b></p>"
    return f"<div>{title}<table><tbody>{rows}</tbody></table>{paragraphs}{table}</div>"


def _machine(snap: Snapshot) -> list[tuple[str, str]]:
    meta = snap.meta
    uptime = meta["uptime_start"]
    kernel = (meta[key] for key in ("kernel_release", "kernel_version", "arch"))
    used = sum(area["used"] for area in meta["swaps"])
    return [
        ("machine", meta["host"] or ""),
        ("kernel", " ".join(filter(None, kernel))),
        ("taken", meta["taken_at"] or ""),
        ("uptime", "" if uptime is None else f"{uptime:,.0f} s"),
        ("page size", format_size(snap.page_size)),
        ("swap in use", format_size(used) if meta["swaps"] else ""),
        ("swap owners", "known" if meta["swap_owner"]["origin"] else f"unknown ({meta['swap_owner'].get('why')})"),
    ]


def _text(text: str) -> str:
    return escape(printable(text))
