# SPDX-License-Identifier: LGPL-2.1-or-later
"""The balance of page_owner_stacks: the kernel's count for each stack, nr_base_pages, compared with the records."""

from collections.abc import Iterator

import pandas as pd

from spo_trace.analysis.balance_changes import stack_changes
from spo_trace.analysis.balance_parts import Item, Listed, used_pages
from spo_trace.reporters.format import counted
from spo_trace.snapshots.reader import Snapshot

__all__ = ["stack_items"]

_SECTION = "page_owner_stacks"
# c83aab85e181, 6.18 and 6.17.6.
_NO_RECLAIM = "first allocated without __GFP_RECLAIM; since Linux 6.17.6 such a stack is not counted"
_OTHERWISE = "below count_threshold, freed during the read, or entirely in swap, where the gfp mask is unknown"


def stack_items(snap: Snapshot, listed: Listed) -> Iterator[Item]:
    """Yield the lines of page_owner_stacks; none if the kernel has no counts."""
    # Without page_owner, all memory would be reported as missing.
    if snap.meta.page_owner is None:
        return
    stacks = listed.by_stack[~listed.by_stack["early"]]
    has_count = stacks["nr_base_pages"].notna()
    if not has_count.any():
        return
    owned = stacks["counted_pages"]
    kernel, found = int(stacks["nr_base_pages"].sum()), int(owned.sum())
    missing = owned[~has_count & (owned > 0)]
    no_reclaim = missing.index.isin(_first_without_reclaim(snap, missing.index))
    yield Item(_SECTION, "machine", "sum of nr_base_pages", kernel, "")
    counts_swap = snap.meta.swap_owner.kept_by_kernel
    listed_item = f"page_owner + {listed.swap_name}" if counts_swap and listed.swap_name else "page_owner"
    uncounted = f"without {counted(listed.early, 'early page')}, which the kernel does not count"
    yield Item(_SECTION, "listed", listed_item, found, uncounted)
    yield Item(_SECTION, "difference", "difference", kernel - found, "")
    for item, lacking, why in (
        ("stacks without a count", missing[no_reclaim], _NO_RECLAIM),
        ("other stacks without a count", missing[~no_reclaim], _OTHERWISE),
    ):
        if len(lacking):
            yield Item(_SECTION, "explains", item, -int(lacking.sum()), f"{counted(len(lacking), 'stack')}: {why}")
    rest = kernel - found + int(missing.sum())
    for explained in list(_explained(snap, listed, rest)):
        rest -= explained.pages
        yield explained
    yield Item(_SECTION, "rest", "unexplained", rest, "")
    differences = (stacks["nr_base_pages"] - owned)[has_count].abs()
    number, largest = int((differences > 0).sum()), int(differences.max())
    differing = f"{counted(number, 'stack')}; the largest difference is {counted(largest, 'page')}"
    yield Item(_SECTION, "aside", "sum of absolute differences", int(differences.sum()), differing)


def _explained(snap: Snapshot, listed: Listed, rest: int) -> Iterator[Item]:
    swap_owner = snap.meta.swap_owner
    if swap_owner.kept_by_kernel and swap_owner.origin is None:
        swap = used_pages(snap, snap.meta.machine.meminfo, "SwapTotal", "SwapFree") or 0
        part = min(max(rest, 0), swap)
        yield Item(_SECTION, "explains", "in swap", part, "counted but not listed: swap_page_owner was not read")
        rest -= part
    yield from stack_changes(snap, listed, _SECTION, rest)


# ___GFP_DIRECT_RECLAIM | ___GFP_KSWAPD_RECLAIM (include/linux/gfp_types.h): the same in all kernels with nr_base_pages.
_GFP_RECLAIM = 0xC00


# The stack's first allocation may have been freed; its oldest page is the best approximation.
def _first_without_reclaim(snap: Snapshot, stack_ids: pd.Index) -> pd.Index:
    pages = snap.read("pages", ["stack_id", "ts_nsec", "gfp_mask"])
    pages = pages[pages["stack_id"].isin(stack_ids)].sort_values("ts_nsec", kind="stable")
    first = pages.groupby(pages["stack_id"].astype("int64"))["gfp_mask"].first().fillna(_GFP_RECLAIM).astype("int64")
    return first[first & _GFP_RECLAIM == 0].index
