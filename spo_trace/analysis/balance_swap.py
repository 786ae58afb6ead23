# SPDX-License-Identifier: LGPL-2.1-or-later
"""The balance of swap: each device's Used compared with the swap entries whose owners are known."""

from collections.abc import Iterator

from spo_trace.analysis.balance_changes import moved_note, moved_pages
from spo_trace.analysis.balance_parts import Item, Listed, swap_used
from spo_trace.analysis.swap_types import match_types
from spo_trace.snapshots.meta import SwapOwner
from spo_trace.snapshots.reader import Snapshot

__all__ = ["swap_items"]

# Tolerated difference in pages between a device's Used and its entries, in addition to the measured change.
_SLACK = 64


def swap_items(snap: Snapshot, listed: Listed) -> Iterator[Item]:
    """Yield the lines of each swap device, or of all together if swap types cannot be matched to devices."""
    machine, swap_owner = snap.meta.machine, snap.meta.swap_owner
    before, after = swap_used(snap)
    known = swap_owner.origin is not None
    lacking = _lacking(swap_owner)
    if machine.swaps:
        source = "Used in /proc/swaps"
        change = abs((before or 0) - (after or before or 0)) + sum(lacking.values())
        sections = _by_device(snap, listed, change)
    elif before is not None and (before or listed.swap):
        source, sections = "SwapTotal − SwapFree", [("swap", before, listed.swap)]
    else:
        return
    for section, used, found in sections:
        yield Item(section, "machine", source, used, "")
        yield Item(section, "listed", listed.swap_name or "swap_page_owner", found, "")
        yield Item(section, "difference", "difference", used - found, "")
        if not known:
            why = swap_owner.why.text if swap_owner.why else ""
            yield Item(section, "explains", "unknown owners", used - found, why)
            yield Item(section, "rest", "unexplained", 0, "")
            continue
        missing = used - found
        for item in lacking:
            part = min(max(missing, 0), lacking[item])
            yield Item(section, "explains", item, part, _LACKING[item])
            # Pages attributed to one device must not be attributed to the next one again.
            lacking[item] -= part
            missing -= part
        moved = moved_pages(missing, before, after)
        yield Item(section, "bound", "changed during the read", moved, moved_note("SwapFree", before, after))
        yield Item(section, "rest", "unexplained", missing - moved, "")
        # SwapFree is the sum of all devices: attribute each page of its change to one device only.
        after = None if after is None else after + moved


_BEFORE_ATTACH, _LOST, _SLOT_CACHE = "unknown (before attach)", "lost", "swap slot cache"

# Why the probes' map can lack owners.
_LACKING = {
    _BEFORE_ATTACH: "swapped out before the probes were attached",
    _LOST: "swapped out while the probes' map was full; enlarge it with spo-trace trace --max-entries N",
    _SLOT_CACHE: "counted as used but empty: at most 64 per processor, up to Linux 6.14",
}


def _lacking(swap_owner: SwapOwner) -> dict[str, int]:
    trace = swap_owner.trace
    if trace is None:
        return {}
    pages = {_BEFORE_ATTACH: trace.unknown_pages, _LOST: trace.lost_pages, _SLOT_CACHE: trace.slot_cache_pages}
    return {item: number for item, number in pages.items() if number or item == _BEFORE_ATTACH}


# Devices are separated if the order of the types, or else their sizes, leave one way to do so. `change`: pages by which
# a device may differ from its entries, in addition to the slack.
def _by_device(snap: Snapshot, listed: Listed, change: int) -> list[tuple[str, int, int]]:
    areas = snap.meta.machine.swaps
    used = [area["used"] // snap.page_size for area in areas]

    def fits(row: int, number: int | None) -> bool:
        found = 0 if number is None else int(listed.by_type[number])
        return abs(used[row] - found) <= change + max(_SLACK, used[row] // 10)

    types = match_types(len(areas), sorted(int(number) for number in listed.by_type.index), fits)
    if types is None:
        return [("swap, all devices together: swap types could not be matched to devices", sum(used), listed.swap)]
    return [
        (f"swap: {area['filename']}", pages, 0)
        if number is None
        else (f"swap type {number}: {area['filename']}", pages, int(listed.by_type[number]))
        for number, area, pages in zip(types, areas, used, strict=True)
    ]
