# SPDX-License-Identifier: LGPL-2.1-or-later
"""The balance: pages that page_owner lists, pages that /proc shows as in use, and what explains the difference."""

from collections.abc import Iterator

import pandas as pd

from spo_trace.analysis.attribution import attribute
from spo_trace.analysis.balance_changes import memory_changes
from spo_trace.analysis.balance_parts import Item, Listed, listed_pages, memory_used
from spo_trace.analysis.balance_sites import site_items
from spo_trace.analysis.balance_stacks import stack_items
from spo_trace.analysis.balance_swap import swap_items
from spo_trace.analysis.compressed_swap import compressed_swap
from spo_trace.analysis.question import Question
from spo_trace.analysis.swap_cache import SwapCache
from spo_trace.snapshots.reader import Snapshot
from spo_trace.stacks.placeholders import Placeholder

__all__ = ["BALANCE_COLUMNS", "Item", "balance"]

# The columns that `balance` reads of each table.
BALANCE_COLUMNS = {
    "pages": ("order", "stack_id", "kernel_stack_id", "ts_nsec", "kernel_ts_nsec", "gfp_mask", *SwapCache.COLUMNS),
    "swap": ("swap_type", "stack_id"),
}


def balance(snap: Snapshot) -> pd.DataFrame:
    """Compare the listed pages with the pages in use; columns section, kind, item, pages, bytes, share, note.

    Sections: `memory` (MemTotal − MemFree), `swap` for each swap device (Used of /proc/swaps), `page_owner_stacks`
    (nr_base_pages), `allocinfo, slab` (pages of slab). A section is left out if the snapshot lacks the pages in use or
    the listed pages. The exception is swap whose owners are unknown. `share` is the unexplained part of the pages in
    use. `verdicts` judges each section.
    """
    listed = listed_pages(snap)
    items = [*_memory(snap, listed), *swap_items(snap, listed), *stack_items(snap, listed)]
    items += site_items(snap, listed)
    table = pd.DataFrame(items, columns=Item._fields)
    table.insert(4, "bytes", table["pages"] * snap.page_size)
    table.insert(5, "share", _shares(items))
    return table


def _shares(items: list[Item]) -> list[float | None]:
    used = {item.section: item.pages for item in items if item.kind == "machine"}
    return [item.pages / max(used[item.section], 1) if item.kind == "rest" else None for item in items]


def _memory(snap: Snapshot, listed: Listed) -> Iterator[Item]:
    machine = snap.meta.machine
    used, _ = memory_used(snap)
    if used is None or snap.meta.page_owner is None:
        return
    pcp = sum(zone["pcp"] for zone in machine.zoneinfo)
    yield Item("memory", "machine", "MemTotal − MemFree", used, "")
    yield Item("memory", "listed", "page_owner", listed.mem, "")
    yield Item("memory", "difference", "difference", used - listed.mem, "")
    yield Item("memory", "explains", "per-CPU free lists", pcp, "free, but not counted in MemFree; never listed")
    rest = used - listed.mem - pcp
    for changed in list(memory_changes(snap, listed, rest)):
        rest -= changed.pages
        yield changed
    yield Item("memory", "rest", "unexplained", rest, _rest_note(rest))
    for placeholder, (item, why) in _PLACEHOLDERS.items():
        pages = listed.placeholders[placeholder]
        if pages or placeholder is Placeholder.EARLY:
            yield Item("memory", "aside", item, pages, why)
    if own := snap.meta.cost and snap.meta.cost.own_pages:
        yield Item("memory", "aside", "the snapshot's own", own, "listed; allocated by the process that took it")
    if cached := _swap_cache_pages(snap):
        yield Item("memory", "aside", "in the swap cache", cached, "both in memory and in swap; counted in both")
    for compressor, pages in compressed_swap(snap, Question.of([])).items():
        why = "listed; compressed contents of pages that are counted in swap, too"
        yield Item("memory", "aside", f"in {compressor}", pages, why)


# If the flags of the pages or the entries of swap are unknown, the number of meminfo is an upper bound.
def _swap_cache_pages(snap: Snapshot) -> int:
    found = attribute(snap, Question.of([]))["swap_cache_pages"].iloc[0]
    return snap.meta.machine.meminfo.get("SwapCached", 0) // snap.page_size if pd.isna(found) else int(found)


# Pages that are listed with a placeholder instead of a stack. The line for early pages is always shown.
_PLACEHOLDERS = {
    Placeholder.EARLY: ("early pages", "listed with an unknown owner: allocated before page_owner started"),
    Placeholder.FAILURE: ("pages with a lost owner", "listed; the stack depot was full or out of memory"),
    Placeholder.DUMMY: ("pages without a stack trace", "listed; page_owner's own, or no stack trace could be taken"),
}


def _rest_note(rest: int) -> str:
    if rest > 0:
        return "in use but not listed: without owner (reserved, misaligned blocks), or freed before being read"
    return "listed, but not in use when meminfo was read" if rest else ""
