# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lines of the balance on what changed while the owners were read.

/proc/meminfo is read before and after the owners. Between the two, the machine allocates and frees pages, and most of
them are the snapshot's own. The time of each allocation (ts_nsec, since Linux 5.11) identifies the pages that were
allocated since the start. What only the change of MemFree explains is an upper bound, because the change does not show
which pages it is of.
"""

from collections.abc import Iterator

from spo_trace.analysis.balance_parts import Item, Listed, memory_used, swap_used
from spo_trace.reporters.format import counted
from spo_trace.snapshots.reader import Snapshot

__all__ = ["memory_changes", "moved_note", "moved_pages", "stack_changes"]

_LATER = "listed, but not yet in use when meminfo was read; by the snapshot itself and by all other processes"
_NO_SECOND = "unknown: the capture has no second /proc/meminfo"


def memory_changes(snap: Snapshot, listed: Listed, rest: int) -> Iterator[Item]:
    """Yield lines that explain `rest`, the pages in use less those listed: allocated and freed during the read."""
    before, after = memory_used(snap)
    allocated = listed.allocated
    if allocated is None:
        moved = moved_pages(rest, before, after)
        yield Item("memory", "bound", "changed during the read", moved, moved_note("MemFree", before, after))
        return
    yield Item("memory", "explains", "allocated during the read", -allocated, _LATER if allocated else "")
    rest += allocated
    if rest < 0 and (part := max(rest, -_swapped_in(snap))):
        why = "came back from swap; listed with the time of their first allocation (upper bound: SwapFree rose as much)"
        yield Item("memory", "bound", "swapped in during the read", part, why)
    if rest > 0 and before is not None and after is not None:
        # The pages in use grew by what was allocated, less what was freed.
        freed = max(allocated - (after - before), 0)
        if part := min(rest, freed):
            pages = counted(freed, "page was", "pages were")
            why = f"in use when meminfo was read, but not listed; {pages} freed (upper bound)"
            yield Item("memory", "bound", "freed during the read", part, why)


def stack_changes(snap: Snapshot, listed: Listed, section: str, rest: int) -> Iterator[Item]:
    """Yield lines that explain `rest`, the kernel's counts less the listed pages: the counts are read last."""
    before, after = memory_used(snap)
    name = "MemFree"
    if before is not None and after is not None and snap.meta.swap_owner.kept_by_kernel:
        name = "MemFree + SwapFree"
        before, after = (one + (swap or 0) for one, swap in zip((before, after), swap_used(snap), strict=True))
    allocated = listed.allocated
    if allocated is None or before is None or after is None:
        moved = moved_pages(rest, after, before)
        yield Item(section, "bound", "changed during the read", moved, moved_note(name, before, after))
        return
    if rest >= 0:
        # Growth that is not listed is of pages that were allocated after their place in page_owner was read.
        unlisted = max(after - before - allocated, 0)
        why = f"{name} fell by {counted(unlisted, 'page')} more than those listed (upper bound)" if unlisted else ""
        yield Item(section, "explains", "allocated after being read", min(rest, unlisted), why)
        return
    # Pages that were allocated during the read are often freed soon. Others are known by the rise of MemFree only.
    freed = max(allocated, allocated - (after - before))
    why = f"listed, but freed before the counts were read; {counted(freed, 'page')} at most"
    yield Item(section, "bound", "freed after being read", max(rest, -freed), why)


def moved_pages(rest: int, before: int | None, after: int | None) -> int:
    """Return the part of `rest` that the change between the two readings of meminfo can explain.

    The owners were read between these two.
    """
    change = 0 if before is None or after is None else before - after
    return max(min(rest, 0), change) if change < 0 else min(max(rest, 0), change)


def moved_note(name: str, before: int | None, after: int | None) -> str:
    """Return a note on the change of the free amount `name` between the two readings of meminfo.

    `before`, `after`: pages in use, so that the free amount rose if `before` is larger.
    """
    if before is None or after is None:
        return _NO_SECOND
    change = before - after
    way = "rose" if change > 0 else "fell"
    return f"{name} {way} by {counted(abs(change), 'page')} during the read (upper bound)" if change else ""


# Pages whose first owner was restored by the kernel while they were read, at most.
def _swapped_in(snap: Snapshot) -> int:
    before, after = swap_used(snap)
    if before is None or after is None or not snap.meta.swap_owner.kept_by_kernel:
        return 0
    return max(before - after, 0)
