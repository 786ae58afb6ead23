# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lower bounds of swap whose owners are unknown, from what the machine says about processes, cgroups and tmpfs.

They stand beside the unknown amounts, and are part of no sum: the same swap may be counted by process and by cgroup.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from spo_trace.analysis.attribution import attribute
from spo_trace.analysis.keys import key_of
from spo_trace.analysis.known_keys import unknown_keys
from spo_trace.analysis.notes import Note, NoteCode
from spo_trace.analysis.order import sort_rows
from spo_trace.analysis.question import Question
from spo_trace.reporters.format import format_share, format_size
from spo_trace.schema import KEY_KNOWN
from spo_trace.snapshots.reader import Snapshot

__all__ = [
    "SHMEM",
    "SWAP_LEAST",
    "attribute_with_least",
    "elsewhere_note",
    "keys_with_least",
    "least_notes",
    "swap_least",
]

SWAP_LEAST = "swap_least_bytes"

ANON, SHMEM = "anon", "tmpfs/shmem"

# SwapPss is rounded down to KiB.
_ROUNDING = 1024

# f1a7941243c1, 6.2: VmSwap is a counter for each processor, and lacks up to so many pages of each: percpu_counter_batch
# (lib/percpu_counter.c), which is larger with more than 16 processors.
_COUNTER_BATCH = 32

# 0ff67f990bd4, 6.15: mm/swap_slots.c is gone. It kept up to 64 free and 64 freed slots for each processor, which count
# as used.
_RESERVED_SLOTS = 128

# The keys by which bounds are known, if the capture has the lists.
_KEYS = ("comm", "tgid", "category", "memcg")

# A value of a key; None is unknown.
Owner = str | int | None
Bounds = Mapping[Owner, int]


def attribute_with_least(snap: Snapshot, question: Question) -> pd.DataFrame:
    """Return `attribute` of a question, and a column swap_least_bytes if bounds of unknown swap are known by its key.

    The bound is missing in rows of which nothing is known, and where swap itself is known. Owners that have only swap
    are rows with no memory. In the row whose key is unknown, it is that of tmpfs and shared memory.
    """
    table = attribute(snap, question)
    bounds = swap_least(snap, question)
    if not bounds:
        return table
    joined = _joined(table, question.keys[0], bounds, snap)
    if question.sort == "swap_bytes":
        return joined.sort_values([question.sort, SWAP_LEAST], ascending=False, ignore_index=True, kind="stable")
    return joined if question.sort in (None, "total_bytes") else sort_rows(joined, question.sort, question.keys)


def swap_least(snap: Snapshot, question: Question) -> Bounds:
    """Return the bytes of swap that each owner has at least, by the question's key; empty if no bound is known.

    The key None is unknown. By memory cgroup, swap entries never have an owner; by other keys, the bounds are those of
    a snapshot without owners of swap. Conditions select records, which swap does not have then.
    """
    if len(question.keys) != 1 or question.condition.text is not None:
        return {}
    key = question.keys[0]
    if key in ("memcg", "memcg_path"):
        found = _by_memcg(snap, key)
    elif snap.meta.swap_owner.origin is not None:
        return {}
    elif key in ("comm", "tgid"):
        found = {**_by_process(snap, key), None: _of_shmem(snap)}
    elif key == "category":
        found = {ANON: _of_all_processes(snap), SHMEM: _of_shmem(snap)}
    else:
        return {}
    return {owner: size for owner, size in found.items() if size > 0}


# The processes of one name may share pages after fork(2), which VmSwap counts for each of them: both the sum of SwapPss
# and the largest VmSwap are lower bounds of what they have together.
def _by_process(snap: Snapshot, key: str) -> dict[Owner, int]:
    if not snap.meta.has_table("processes"):
        return {}
    processes = snap.read("processes", [key, "swap_bytes", "swap_share_bytes"])
    groups = processes.astype({key: object}).groupby(key, sort=True)
    least = pd.concat([groups["swap_share_bytes"].sum(), groups["swap_bytes"].max()], axis=1).max(axis=1)
    return dict(zip(least.index.tolist(), map(int, least), strict=True))


def _of_all_processes(snap: Snapshot) -> int:
    if not snap.meta.has_table("processes"):
        return 0
    processes = snap.read("processes", ["swap_bytes", "swap_share_bytes"])
    return int(max(processes["swap_share_bytes"].fillna(0).sum(), processes["swap_bytes"].max()))


def _of_shmem(snap: Snapshot) -> int:
    """Return the swap in use that neither page tables nor the swap cache can account for: tmpfs and shared memory.

    Page tables refer to swap only of anonymous memory. A page of it that is in the swap cache has an entry, too, and
    its page table refers to the page.
    """
    machine = snap.meta.machine
    if not snap.meta.has_table("processes") or not machine.processors or "SwapCached" not in machine.meminfo:
        return 0
    processes = snap.read("processes", ["swap_bytes", "swap_share_bytes"])
    inexact = max(_COUNTER_BATCH, 2 * machine.processors) * machine.processors * snap.page_size
    most = (processes["swap_share_bytes"] + _ROUNDING).fillna(processes["swap_bytes"] + inexact)
    reserved = _RESERVED_SLOTS * machine.processors * snap.page_size
    return max(machine.swap_used - int(most.sum()) - machine.meminfo["SwapCached"] - reserved, 0)


def _by_memcg(snap: Snapshot, key: str) -> dict[Owner, int]:
    if not snap.meta.has_table("cgroups"):
        return {}
    cgroups = snap.read("cgroups").dropna(subset=["swap_bytes"]).drop_duplicates("memcg_path")
    leaf_of = dict(zip(cgroups["memcg_path"].astype(str), cgroups["memcg"].astype(str), strict=True))
    own = _without_children(dict(zip(leaf_of, map(int, cgroups["swap_bytes"]), strict=True)))
    by_path = key == "memcg_path" or snap.has_values("pages", "memcg_path")
    found: dict[Owner, int] = {}
    for path, size in own.items():
        name = path if by_path else leaf_of[path]
        found[name] = found.get(name, 0) + max(size, 0)
    return found


# memory.swap.current of a cgroup includes that of the cgroups below it, which were read after it.
def _without_children(sizes: Mapping[str, int]) -> dict[str, int]:
    own = dict(sizes)
    for path, size in sizes.items():
        parent = path.rpartition("/")[0] or "/"
        if parent != path and parent in own:
            own[parent] -= size
    return own


def least_notes(snap: Snapshot, question: Question) -> list[Note]:
    """Return a note on the bounds in a table, or on the report that has them; none if nothing is known."""
    bounds = swap_least(snap, question)
    used = snap.meta.machine.swap_used
    if not bounds:
        return elsewhere_note(keys_with_least(snap))
    if not used:
        return []
    if question.keys[0] in ("memcg", "memcg_path"):
        owners = {"memory cgroups": sum(bounds.values())}
    else:
        shmem = bounds.get(SHMEM if question.keys[0] == "category" else None, 0)
        owners = {"processes": _of_all_processes(snap), "tmpfs and shared memory": shmem}
    found = [f"{what} at least {_part(size, used)}" for what, size in owners.items() if size]
    text = f"Of the {format_size(used)} of swap in use, {' and '.join(found)}"
    return [Note(NoteCode.SWAP_LEAST, text.replace(" at least", " have at least", 1))]


def keys_with_least(snap: Snapshot) -> list[str]:
    """Return the keys by which a report shows bounds of swap whose owners are unknown; none if they are known."""
    if "swap" not in snap.meta.unknown_amounts:
        return []
    return [key for key in _KEYS if swap_least(snap, Question.of(key))]


def elsewhere_note(keys: Sequence[str], snapshot: str = "") -> list[Note]:
    """Return a note on the report that has bounds by any of `keys`, none without keys; `snapshot`: its name, if any."""
    if not keys:
        return []
    of = f" on {snapshot}" if snapshot else ""
    text = f"A report{of} by {' or '.join(keys)} alone shows how much of this swap each owner has at least"
    return [Note(NoteCode.SWAP_LEAST_ELSEWHERE, text)]


def _part(size: int, used: int) -> str:
    return f"{format_size(size)} ({format_share(size / used)})"


def _joined(table: pd.DataFrame, key: str, bounds: Bounds, snap: Snapshot) -> pd.DataFrame:
    named = zip(table[key], table[KEY_KNOWN], table["swap_bytes"].isna(), strict=True)
    owners = [(None if pd.isna(owner) else owner, bool(known), bool(unknown)) for owner, known, unknown in named]
    least = [
        bounds.get(owner) if unknown and (known == (owner is not None)) else None for owner, known, unknown in owners
    ]
    listed = {owner for owner, known, _ in owners if known == (owner is not None)}
    others = sorted(bounds.keys() - listed, key=lambda owner: (-bounds[owner], str(owner)))
    rows = _without_memory(table, key, others, snap)
    joined = pd.concat([table, rows], ignore_index=True).astype(_types(table, rows))
    values = pd.Series([*least, *(bounds[owner] for owner in others)], dtype="Int64")
    joined.insert(list(joined.columns).index("swap_bytes") + 1, SWAP_LEAST, values)
    return joined


# Owners of which no memory is listed: they have none if all of it has the key.
def _without_memory(table: pd.DataFrame, key: str, owners: Sequence[Owner], snap: Snapshot) -> pd.DataFrame:
    meta = snap.meta
    has_all = meta.aggregate is None and "mem" not in meta.unknown_amounts and not unknown_keys(snap, "pages", [key])
    rows = pd.DataFrame({name: pd.Series([pd.NA] * len(owners), dtype="Int64") for name in table.columns})
    rows[key] = pd.Series(list(owners), dtype=key_of(key).dtype)
    rows[KEY_KNOWN] = [owner is not None for owner in owners]
    rows[["mem_pages", "mem_bytes"]] = 0 if has_all else pd.NA
    rows["total_bytes"], rows["share"] = 0, 0.0
    return rows


def _types(table: pd.DataFrame, rows: pd.DataFrame) -> dict[str, Any]:
    return {
        str(name): "Int64" if rows[name].isna().any() and table[name].dtype == "int64" else table[name].dtype
        for name in table
    }
