# SPDX-License-Identifier: LGPL-2.1-or-later
"""Notes on an answer of a fleet: which snapshots it is about, and what they do not tell."""

import pandas as pd

from spo_trace.analysis.notes import Note, NoteCode
from spo_trace.fleet.catalog import Catalog
from spo_trace.fleet.choosing import Chosen, machines_of
from spo_trace.fleet.hosts import shared_names
from spo_trace.fleet.selection import Selection
from spo_trace.reporters.format import counted, format_short

__all__ = ["catalog_notes", "chosen_notes", "unknown_notes"]

_NAMED = 3


def catalog_notes(catalog: Catalog) -> list[Note]:
    """Return warnings about snapshots that are left out, and about names that several machines share."""
    notes = []
    if catalog.skipped:
        files = counted(len(catalog.skipped), "file")
        text = f"{files} skipped, with all snapshots in them; spo-trace fleet check lists the problems"
        notes.append(Note(NoteCode.FLEET_SKIPPED, text, warning=True))
    if shared := shared_names(machines_of(catalog.rows)):
        more = f" and {len(shared) - _NAMED:,} more" if len(shared) > _NAMED else ""
        text = f"one name for several machines: {', '.join(shared[:_NAMED])}{more}, of which one counts"
        notes.append(Note(NoteCode.SHARED_NAME, text, warning=True))
    return notes


def chosen_notes(chosen: Chosen, selection: Selection, title: str = "") -> list[Note]:
    """Return a note on the snapshots that count, and one on each amount that is unknown on some hosts."""
    rows = chosen.rows
    first, last = rows["time"].min(), rows["time"].max()
    of_each = (
        f"the mean of {counted(len(rows), 'snapshot')}" if selection.window is not None else "the last snapshot of each"
    )
    when = _time(first) if first == last else f"{_time(first)} to {_time(last)}"
    text = f"{counted(chosen.machines, 'host')}, {of_each}: {when}"
    return [Note(NoteCode.FLEET_SNAPSHOTS, f"{title}{text}"), *unknown_notes(chosen, title)]


def unknown_notes(chosen: Chosen, title: str = "") -> list[Note]:
    """Return a note for memory and for swap if it is not known on all hosts."""
    notes = []
    for amount, name, code in (
        ("mem", "memory", NoteCode.MEMORY_UNKNOWN),
        ("swap", "swap", NoteCode.SWAP_UNKNOWN),
    ):
        known = chosen.known(amount)
        if known < chosen.machines:
            text = f"{title}the owners of {name} are known on {known:,} of {counted(chosen.machines, 'host')}"
            notes.append(Note(code, text + (_unowned(chosen.rows) if amount == "swap" else "")))
        elif amount == "swap" and (size := int(_last(chosen.rows)["swap_unowned"].fillna(0).sum())):
            notes.append(Note(code, f"{title}{format_short(size)} of used swap has no owner"))
    return notes


def _unowned(rows: pd.DataFrame) -> str:
    last = _last(rows)
    unowned = last["swap_unowned"]
    size = int(unowned.fillna(0).sum())
    unknown = int(unowned.isna().sum())
    more = f", and on {counted(unknown, 'host')} it is unknown how much swap is used" if unknown else ""
    return (f"; {format_short(size)} of used swap has no owner" if size else "") + more


def _last(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sort_values("time", kind="stable").groupby("machine").tail(1)


def _time(time: pd.Timestamp) -> str:
    return f"{time:%Y-%m-%d %H:%MZ}"
