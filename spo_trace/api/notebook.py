# SPDX-License-Identifier: LGPL-2.1-or-later
"""The HTML of a snapshot in a notebook: machine, time, totals, whether swap is known, and the largest owners."""

from html import escape

from spo_trace.analysis.aggregate_keys import usual_key
from spo_trace.analysis.attribution import attribute
from spo_trace.analysis.question import Question
from spo_trace.analysis.snapshot_notes import snapshot_notes
from spo_trace.analysis.totals import totals as sums_of
from spo_trace.errors import SpoTraceError
from spo_trace.findings.documents import html
from spo_trace.findings.explain import explain
from spo_trace.printable import printable
from spo_trace.reporters.format import UNKNOWN, format_size
from spo_trace.reporters.notebook import table_html
from spo_trace.snapshots.reader import Snapshot

__all__ = ["snapshot_html"]

_OWNERS = 5


def snapshot_html(snap: Snapshot, name: str) -> str:
    """Return a summary of `snap` as HTML, with all texts escaped; `name`: of it in commands."""
    try:
        question = Question.of(usual_key(snap))
        owners = attribute(snap, question)
        sums = sums_of(owners)
        amounts = [("memory", sums["mem_bytes"]), ("swap", sums["swap_bytes"])]
        totals = [(name, UNKNOWN if size is None else format_size(size)) for name, size in amounts]
        notes, table = [note.text for note in snapshot_notes(snap, question, sums)], table_html(owners.head(_OWNERS))
        findings = html(explain(snap, name))
    except SpoTraceError as error:
        # If a table is damaged, for example, still show the facts of snapshot.json.
        totals, notes, table, findings = [], [error.message], "", ""
    facts = [*_machine(snap), *totals]
    rows = "".join(f'<tr><th style="text-align: left">{_text(n)}</th><td>{_text(v)}</td></tr>' for n, v in facts if v)
    paragraphs = "".join(f"<p>{_text(note)}</p>" for note in notes)
    title = f"<p><b>Snapshot {_text(snap.path.name)}</b></p>"
    return f"<div>{title}<table><tbody>{rows}</tbody></table>{findings}{paragraphs}{table}</div>"


def _machine(snap: Snapshot) -> list[tuple[str, str]]:
    machine, why = snap.meta.machine, snap.meta.swap_owner.why
    uptime = machine.uptime_start
    kernel = (machine.kernel_release, machine.kernel_version, machine.arch)
    return [
        ("machine", machine.host or ""),
        ("kernel", " ".join(filter(None, kernel))),
        ("taken", machine.taken_at or ""),
        ("uptime", "" if uptime is None else f"{uptime:,.0f} s"),
        ("page size", format_size(snap.page_size)),
        ("swap in use", format_size(machine.swap_used) if machine.swaps else ""),
        ("swap owners", f"unknown ({why.text})" if why else "known"),
    ]


def _text(text: str) -> str:
    return escape(printable(text))
