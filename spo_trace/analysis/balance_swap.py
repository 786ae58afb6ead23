# SPDX-License-Identifier: LGPL-2.1-or-later
"""The balance of swap: each device's Used compared with the swap entries whose owners are known."""

from collections.abc import Iterator
from typing import Any

from spo_trace.analysis.balance_parts import Item, Listed, moved_note, moved_pages, used_pages
from spo_trace.snapshots.reader import Snapshot

__all__ = ["swap_items"]

# Tolerated difference in pages between a device's Used and its entries when no change was measured.
_SLACK = 64


def swap_items(snap: Snapshot, listed: Listed) -> Iterator[Item]:
    """Yield the lines of each swap device, or of all together if swap types cannot be matched to devices."""
    before, after = (used_pages(snap, key, "SwapTotal", "SwapFree") for key in ("meminfo", "meminfo_after"))
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
        yield Item(section, "listed", listed.swap_name or "swap_page_owner", found, "")
        yield Item(section, "difference", "difference", used - found, "")
        if not known:
            yield Item(section, "explains", "unknown owners", used - found, str(swap_owner["why"]))
            yield Item(section, "rest", "unexplained", 0, "")
            continue
        missing = used - found
        for item in lacking:
            part = min(max(missing, 0), lacking[item])
            yield Item(section, "explains", item, part, _LACKING[item][1])
            # Pages attributed to one device must not be attributed to the next one again.
            lacking[item] -= part
            missing -= part
        moved = moved_pages(missing, before, after)
        yield Item(section, "explains", "changed during the read", moved, moved_note("SwapFree", before, after))
        yield Item(section, "rest", "unexplained", missing - moved, "")
        # The change of SwapFree is that of all devices together: use each page of it once.
        after = None if after is None else after + moved


# Pages that the probes' map can lack: the key of swap_owner that contains their number, and the reason.
_LACKING = {
    "unknown (before attach)": (
        "unknown_pages",
        "swapped out before the probes were attached",
    ),
    "lost": (
        "lost_pages",
        "swapped out while the probes' map was full; enlarge it with spo-trace trace --max-entries N",
    ),
    "swap slot cache": (
        "slot_cache_pages",
        "counted as used but empty: at most 64 per processor, up to Linux 6.14",
    ),
}


def _lacking(swap_owner: dict[str, Any]) -> dict[str, int]:
    pages = {item: int(swap_owner.get(key, 0)) for item, (key, _) in _LACKING.items()}
    always = "unknown (before attach)" if swap_owner["origin"] == "bpf" else None
    return {item: number for item, number in pages.items() if number or item == always}


# /proc/swaps lists the areas in the order of their types but skips unused types, so row n is type n only without gaps.
# If the sizes contradict that by more than `change` (pages that changed during the read), devices are not separated.
def _by_device(snap: Snapshot, listed: Listed, change: int | None) -> list[tuple[str, int, int]]:
    areas = snap.meta["swaps"]
    used = [area["used"] // snap.page_size for area in areas]
    types = sorted(int(number) for number in listed.by_type.index)
    numbers = types if types and types[-1] >= len(areas) else list(range(len(areas)))
    found = [int(listed.by_type.get(number, 0)) for number in numbers]
    fits = len(numbers) == len(areas) and (
        change is None or all(abs(u - f) <= change + max(_SLACK, u // 10) for u, f in zip(used, found, strict=True))
    )
    if not fits:
        return [("swap, all devices together: swap types could not be matched to devices", sum(used), listed.swap)]
    named = [f"swap type {number}: {area['filename']}" for number, area in zip(numbers, areas, strict=True)]
    return list(zip(named, used, found, strict=True))
