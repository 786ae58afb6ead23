# SPDX-License-Identifier: LGPL-2.1-or-later
"""The balance: what the kernel lists against what the machine says that it uses, and what the difference can be."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from spo_trace.errors import SpoTraceError
from spo_trace.snapshots.reader import Snapshot

__all__ = ["Item", "balance"]

_EARLY = "register_early_stack"


class Item(NamedTuple):
    """Hold one line of the balance, in base pages.

    `kind`: `machine` (what the machine says), `listed` (what the kernel lists), `difference` (machine − listed),
    `explains` (a named part of the difference), `rest` (what no part explains), `aside` (worth knowing, no part).
    """

    section: str
    kind: str
    item: str
    pages: int
    note: str


class _Listed(NamedTuple):
    """Hold what page_owner and swap_page_owner list, in base pages."""

    by_stack: pd.DataFrame
    by_type: pd.Series
    early: int

    @property
    def mem(self) -> int:
        return int(self.by_stack["mem_pages"].sum())

    @property
    def swap(self) -> int:
        return int(self.by_stack["swap_pages"].sum())


def balance(snap: Snapshot) -> pd.DataFrame:
    """Hold what the kernel lists against what the machine uses; columns section, kind, item, pages, bytes, share, note.

    Sections: `memory` (MemTotal − MemFree), `swap` for each swap device (Used of /proc/swaps), `page_owner_stacks`
    (nr_base_pages). `share` is a rest's part of what the machine says. Raise SpoTraceError if the snapshot has none
    of these.
    """
    listed = _listed(snap)
    items = [*_memory(snap, listed), *_swap(snap, listed), *_stacks(snap, listed)]
    if not items:
        raise SpoTraceError(
            "there is nothing to hold page_owner against",
            hint="take /proc/meminfo, /proc/swaps and /proc/zoneinfo with the capture (see README.md)",
        )
    table = pd.DataFrame(items)
    table.insert(4, "bytes", table["pages"] * snap.page_size)
    table.insert(5, "share", _shares(items))
    return table


def _shares(items: list[Item]) -> list[float | None]:
    used = {item.section: item.pages for item in items if item.kind == "machine"}
    return [item.pages / max(used[item.section], 1) if item.kind == "rest" else None for item in items]


def _listed(snap: Snapshot) -> _Listed:
    pages = snap.read("pages", ["order", "stack_id"])
    swap = snap.read("swap", ["swap_type", "stack_id"])
    by_stack = pd.DataFrame(index=snap.stacks["stack_id"].astype("int64"))
    by_stack["mem_pages"] = (2 ** pages["order"].astype("int64")).groupby(pages["stack_id"].astype("int64")).sum()
    by_stack["swap_pages"] = swap.groupby(swap["stack_id"].astype("int64")).size()
    by_stack = by_stack.fillna(0).astype("int64")
    by_stack["nr_base_pages"] = snap.stacks["nr_base_pages"].to_numpy()
    by_stack["early"] = [len(frames) > 0 and frames[0].startswith(_EARLY) for frames in snap.stacks["frames"]]
    by_type = swap.groupby(swap["swap_type"].astype("int64")).size()
    return _Listed(by_stack, by_type, int(by_stack.loc[by_stack["early"], "mem_pages"].sum()))


def _memory(snap: Snapshot, listed: _Listed) -> Iterator[Item]:
    used, used_after = (_used(snap, key, "MemTotal", "MemFree") for key in ("meminfo", "meminfo_after"))
    if used is None or not snap.meta["files"].get("page_owner"):
        return
    pcp = sum(zone["pcp"] for zone in snap.meta["zoneinfo"])
    yield Item("memory", "machine", "MemTotal − MemFree", used, "")
    yield Item("memory", "listed", "page_owner", listed.mem, "")
    yield Item("memory", "difference", "difference", used - listed.mem, "")
    yield Item("memory", "explains", "per-CPU free lists", pcp, "free, but not counted in MemFree; never listed")
    moved = _moved(used - listed.mem - pcp, used, used_after)
    yield Item("memory", "explains", "changed while it was read", moved, _moved_note("MemFree", used, used_after))
    rest = used - listed.mem - pcp - moved
    yield Item("memory", "rest", "unexplained", rest, _rest_note(rest))
    early = "listed, but their owner is lost: allocated before page_owner began"
    yield Item("memory", "aside", "early pages", listed.early, early)
    if since := _allocated_since(snap):
        yield Item(
            "memory", "aside", "allocated while it was read", since, "listed: the snapshot's own memory, and all else"
        )
    if own := (snap.meta.get("cost") or {}).get("own_pages"):
        yield Item("memory", "aside", "the snapshot's own", own, "listed: allocated by who took it")
    if cached := snap.meta["meminfo"].get("SwapCached", 0) // snap.page_size:
        yield Item("memory", "aside", "in the swap cache", cached, "in memory and in swap, counted in both")


def _rest_note(rest: int) -> str:
    if rest > 0:
        return "used, but not listed: without an owner (reserved, misaligned blocks), or freed before it was read"
    return "listed, but not used: allocated after /proc/meminfo was read, the reader's own pages too" if rest else ""


def _allocated_since(snap: Snapshot) -> int:
    started = snap.meta["uptime_start"]
    if started is None:
        return 0
    pages = snap.read("pages", ["order", "ts_nsec"])
    return int((2 ** pages["order"][pages["ts_nsec"].fillna(0) > int(started * 1e9)].astype("int64")).sum())


def _swap(snap: Snapshot, listed: _Listed) -> Iterator[Item]:
    before, after = (_used(snap, key, "SwapTotal", "SwapFree") for key in ("meminfo", "meminfo_after"))
    swap_owner = snap.meta["swap_owner"]
    known = swap_owner["origin"] is not None
    lacking = _lacking(swap_owner)
    areas = snap.meta["swaps"]
    if areas:
        said = "Used in /proc/swaps"
        change = abs((before or 0) - (after or before or 0)) + sum(lacking.values())
        sections = _by_device(snap, listed, change if known else None)
    elif before is not None and (before or listed.swap):
        said, sections = "SwapTotal − SwapFree", [("swap", before, listed.swap)]
    else:
        return
    for section, used, found in sections:
        yield Item(section, "machine", said, used, "")
        yield Item(section, "listed", _LISTED.get(swap_owner["origin"], "swap_page_owner"), found, "")
        yield Item(section, "difference", "difference", used - found, "")
        if not known:
            yield Item(section, "explains", "owner not known", used - found, str(swap_owner["why"]))
            yield Item(section, "rest", "unexplained", 0, "")
            continue
        missing = used - found
        for item in lacking:
            part = min(max(missing, 0), lacking[item])
            yield Item(section, "explains", item, part, _LACKING[item][1])
            # Nor is what one device lacks lacking on the next one.
            lacking[item] -= part
            missing -= part
        moved = _moved(missing, before, after)
        yield Item(section, "explains", "changed while it was read", moved, _moved_note("SwapFree", before, after))
        yield Item(section, "rest", "unexplained", missing - moved, "")
        # What one device's difference takes of the machine's change is not there for the next one.
        after = None if after is None else after + moved


_LISTED = {"bpf": "swap entries of the probes"}
# What the probes' map can lack: the key of swap_owner that says how many pages, and why.
_LACKING = {
    "unknown (before attach)": (
        "unknown_pages",
        "in swap already when the probes were attached",
    ),
    "lost": ("lost_pages", "written while the map of the probes was full: --max-entries makes more room"),
    "slots kept ready": (
        "slot_cache_pages",
        "used, but empty: up to 64 for each processor, up to Linux 6.14",
    ),
}


def _lacking(swap_owner: dict[str, Any]) -> dict[str, int]:
    pages = {item: int(swap_owner.get(key, 0)) for item, (key, _) in _LACKING.items()}
    always = "unknown (before attach)" if swap_owner["origin"] == "bpf" else None
    return {item: number for item, number in pages.items() if number or item == always}


# /proc/swaps has the areas in the order of their types, but leaves out types that are not used: row n is type n only
# without holes. Where the numbers do not fit that (`change`: by how much swap changed meanwhile), nothing is claimed.
def _by_device(snap: Snapshot, listed: _Listed, change: int | None) -> list[tuple[str, int, int]]:
    areas = snap.meta["swaps"]
    used = [area["used"] // snap.page_size for area in areas]
    types = sorted(int(number) for number in listed.by_type.index)
    numbers = types if types and types[-1] >= len(areas) else list(range(len(areas)))
    found = [int(listed.by_type.get(number, 0)) for number in numbers]
    fits = len(numbers) == len(areas) and (
        change is None or all(abs(u - f) <= change + max(_SLACK, u // 10) for u, f in zip(used, found, strict=True))
    )
    if not fits:
        return [("swap, all devices together: which type is which device can't be told", sum(used), listed.swap)]
    named = [f"swap type {number}: {area['filename']}" for number, area in zip(numbers, areas, strict=True)]
    return list(zip(named, used, found, strict=True))


def _stacks(snap: Snapshot, listed: _Listed) -> Iterator[Item]:
    # Without page_owner, all of memory would seem to be missing.
    if not snap.meta["files"].get("page_owner"):
        return
    stacks = listed.by_stack[~listed.by_stack["early"]]
    counted = stacks["nr_base_pages"].notna()
    if not counted.any():
        return
    section = "page_owner_stacks"
    owned = stacks["mem_pages"] + stacks["swap_pages"]
    kernel, found = int(stacks["nr_base_pages"].sum()), int(owned.sum())
    missing = owned[~counted & (owned > 0)]
    no_reclaim = missing.index.isin(_first_without_reclaim(snap, missing.index))
    yield Item(section, "machine", "sum of nr_base_pages", kernel, "")
    uncounted = f"without {listed.early} early pages, which it does not count"
    yield Item(section, "listed", "page_owner + swap_page_owner", found, uncounted)
    yield Item(section, "difference", "difference", kernel - found, "")
    for item, lacking, why in (
        ("stacks that it lacks", missing[no_reclaim], _NO_RECLAIM),
        ("other stacks that it lacks", missing[~no_reclaim], _OTHERWISE),
    ):
        if len(lacking):
            yield Item(section, "explains", item, -int(lacking.sum()), f"{len(lacking)} stacks: {why}")
    rest = kernel - found + int(missing.sum())
    yield Item(section, "rest", "unexplained", rest, "the files are not read at the same moment")
    off = (stacks["nr_base_pages"] - owned)[counted].abs()
    apart = f"{int((off > 0).sum())} stacks; the largest difference is {int(off.max())} pages"
    yield Item(section, "aside", "sum of differences, unsigned", int(off.sum()), apart)


_NO_RECLAIM = "first allocated without __GFP_RECLAIM: Linux 6.18+ keeps no count for such a stack"
_OTHERWISE = "below count_threshold, freed meanwhile, or wholly in swap, where no gfp mask tells"

# Pages by which a device and the entries of its type may differ though nothing is known to have changed.
_SLACK = 64


# ___GFP_DIRECT_RECLAIM | ___GFP_KSWAPD_RECLAIM (include/linux/gfp_types.h, since 5.17 at these bits).
_GFP_RECLAIM = 0xC00


# The stack's oldest page stands for its first allocation, which may be gone.
def _first_without_reclaim(snap: Snapshot, stack_ids: pd.Index) -> pd.Index:
    pages = snap.read("pages", ["stack_id", "ts_nsec", "gfp_mask"])
    pages = pages[pages["stack_id"].isin(stack_ids)].sort_values("ts_nsec", kind="stable")
    first = pages.groupby(pages["stack_id"].astype("int64"))["gfp_mask"].first().fillna(_GFP_RECLAIM).astype("int64")
    return first[first & _GFP_RECLAIM == 0].index


def _used(snap: Snapshot, key: str, total: str, free: str) -> int | None:
    values = snap.meta[key]
    return (values[total] - values[free]) // snap.page_size if total in values and free in values else None


# The text was read at some moment between the two meminfo: whatever of the rest lies in what changed between them
# is explained by it.
def _moved(rest: int, before: int | None, after: int | None) -> int:
    change = 0 if before is None or after is None else before - after
    return max(min(rest, 0), change) if change < 0 else min(max(rest, 0), change)


def _moved_note(name: str, before: int | None, after: int | None) -> str:
    if before is None or after is None:
        return "not known: the capture has no second /proc/meminfo"
    change = before - after
    way = "rose" if change > 0 else "fell"
    return f"{name} {way} by {abs(change):,} pages meanwhile: so much, at most" if change else ""
