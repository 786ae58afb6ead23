# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rows that may stand for several owners: the kernel reuses PIDs, and prints only the end of a memory cgroup's path."""

from collections.abc import Collection, Iterable, Iterator

import pandas as pd

from spo_trace.analysis.notes import Note, NoteCode
from spo_trace.formats.escape import unescape
from spo_trace.reporters.names import shown_name
from spo_trace.snapshots.reader import Snapshot

__all__ = ["name_columns", "shared_name_notes"]

# Owners that a note names.
_NAMED = 3

# fcf8935832b8, 5.18: print_page_owner_memcg() has 80 bytes for the name, the last one is 0.
_LONGEST_NAME = 79

# A new process has its parent's name until it calls execve(), usually within milliseconds. A PID is reused only after
# all others.
_EXEC_NSEC = 1_000_000_000

_OF_PROCESS = ("pid", "tgid", "comm", "ts_nsec")
_OF_MEMCG = ("memcg", "memcg_offline", "memcg_path")


def name_columns(keys: Collection[str]) -> tuple[str, ...]:
    """Return the columns of pages that `shared_name_notes` reads for these keys."""
    return (*(_OF_MEMCG if "memcg" in keys else ()), *(_OF_PROCESS if _by_number(keys) else ()))


def shared_name_notes(snap: Snapshot, keys: Collection[str], side: str = "") -> Iterator[Note]:
    """Yield notes on rows by `keys` that may stand for several owners; `side`: A or B if it is one of two snapshots."""
    prefix = f"{side}: " if side else ""
    if "memcg" in keys:
        yield from _memcg_notes(snap, prefix)
    for key in _by_number(keys):
        yield from _reuse_notes(snap, key, prefix)


# If the rows are also by comm, each name has its own row.
def _by_number(keys: Collection[str]) -> list[str]:
    return [] if "comm" in keys else [key for key in ("pid", "tgid") if key in keys]


def _memcg_notes(snap: Snapshot, prefix: str) -> Iterator[Note]:
    plain = dict.fromkeys(("memcg", "memcg_path"), object)
    found = pd.concat([rows.drop_duplicates().astype(plain) for rows in snap.dataframes("pages", _OF_MEMCG)])
    # A path is of one cgroup alone.
    found = found[found["memcg_path"].isna()].dropna(subset=["memcg", "memcg_offline"])
    states = found.groupby("memcg")["memcg_offline"].nunique()
    if not len(states):
        return
    text = f"{prefix}Memory cgroups with the same leaf name are one row: the kernel does not print their parents"
    if several := sorted(states.index[states > 1]):
        text += f"; both a live and a removed cgroup: {_listed(map(shown_name, several))}"
    yield Note(NoteCode.MEMCG_NAMES, text)
    if cut := [name for name in sorted(states.index) if len(unescape(name)) >= _LONGEST_NAME]:
        text = f"{prefix}Names cut off by the kernel at {_LONGEST_NAME} bytes: {_listed(map(shown_name, cut))}"
        yield Note(NoteCode.MEMCG_NAMES, text)


def _reuse_notes(snap: Snapshot, key: str, prefix: str) -> Iterator[Note]:
    names = _names_of_numbers(snap, key)
    shown = [f"{number} ({', '.join(map(shown_name, of))})" for number, of in names.items()]
    if shown:
        text = f"{prefix}A {key} with several names may be two processes, one after the other: {_listed(shown)}"
        yield Note(NoteCode.PID_REUSED, text, warning=True)


# For a tgid, the names of the process's first thread: other threads often have names of their own.
def _names_of_numbers(snap: Snapshot, key: str) -> dict[int, list[str]]:
    parts = [rows for table in ("pages", "swap") for rows in snap.dataframes(table, _OF_PROCESS)]
    rows = pd.concat([part.astype({"comm": object}) for part in parts]).dropna()
    if key == "tgid":
        rows = rows[rows["pid"] == rows["tgid"]]
    # PID 0 is the idle thread of every processor.
    rows = rows[rows["pid"] != 0]
    times = rows.groupby(["pid", "comm"])["ts_nsec"].agg(["min", "max"]).reset_index()
    times = times[times["pid"].duplicated(keep=False)].sort_values(["pid", "min"])
    later = times["min"] > times.groupby("pid")["max"].shift().astype("Int64") + _EXEC_NSEC
    reused = times["pid"].isin(times["pid"][later.fillna(False).astype(bool)])
    names = times[reused].groupby("pid")["comm"].agg(list)
    return dict(zip(names.index.tolist(), names.tolist(), strict=True))


def _listed(texts: Iterable[str]) -> str:
    every = list(texts)
    more = len(every) - _NAMED
    return ", ".join(every[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
