# SPDX-License-Identifier: LGPL-2.1-or-later
"""Memory by slab cache: what the kernel itself counts (/proc/slabinfo), beside the slab pages of page_owner."""

import re
from collections.abc import Mapping

import pandas as pd

from spo_trace.analysis.keys import SLAB_CACHE
from spo_trace.analysis.notes import Note, NoteCode
from spo_trace.errors import SpoTraceError
from spo_trace.formats.arrays import base_pages
from spo_trace.reporters.format import format_size
from spo_trace.schema import KEY_KNOWN
from spo_trace.snapshots.reader import Snapshot

__all__ = ["cache_amounts", "cache_notes"]

# Larger than the largest cache. 4.x to 6.0: kmalloc_order(); since 6.1 kmalloc_large() and ___kmalloc_large_node().
_LARGE = re.compile("kmalloc_(large|order)")


def cache_amounts(snap: Snapshot) -> pd.DataFrame:
    """Return the amounts of `attribute` for each slab cache that has memory, without their share; and its objects.

    A cache has `slabs` × `pages_per_slab` pages; slab is never swapped out. Raise SpoTraceError without slab caches.
    """
    if not snap.meta.has_table("slab_caches"):
        raise SpoTraceError(
            f"{snap.path.name} has no slab caches: there was no /proc/slabinfo",
            hint="the kernel needs CONFIG_SLUB_DEBUG, which SLUB_TINY excludes, and only root can read the file",
        )
    caches = snap.read("slab_caches")
    named = caches.assign(mem_pages=caches["slabs"] * caches["pages_per_slab"])
    # A module can make a second cache of one name.
    grouped = named.groupby(SLAB_CACHE, as_index=False, sort=False)
    sums = grouped.agg(
        {"mem_pages": "sum", "active_objects": "sum", "objects": "sum", "object_bytes": "max"},
    )
    sums = sums[sums["mem_pages"] > 0].reset_index(drop=True)
    table = pd.DataFrame({SLAB_CACHE: sums[SLAB_CACHE].astype("string"), KEY_KNOWN: True})
    for unit, size in (("pages", 1), ("bytes", snap.page_size)):
        table[f"mem_{unit}"] = sums["mem_pages"].astype("int64") * size
        table[f"swap_{unit}"] = table[f"swap_cache_{unit}"] = 0
    table["total_bytes"] = table["mem_bytes"]
    for name in ("active_objects", "objects", "object_bytes"):
        table[name] = sums[name].astype("int64")
    return table


def cache_notes(snap: Snapshot, total: Mapping[str, int | None]) -> list[Note]:
    """Return a note that compares the caches with page_owner and /proc/meminfo; `total`: from `analysis.totals`."""
    text = f"Total: {format_size(total['mem_bytes'] or 0)} in slab caches"
    others = []
    if slab := snap.meta.machine.meminfo.get("Slab"):
        others.append(f"{format_size(slab)} is Slab in /proc/meminfo")
    if snap.meta.page_owner is not None:
        pages, large = _listed(snap)
        listed = f"page_owner lists {format_size(pages)} in the category slab"
        others.append(f"{listed}, of which {format_size(large)} are large kmalloc allocations, in no cache")
    return [Note(NoteCode.TOTAL, "; ".join([text, *others]))]


def _listed(snap: Snapshot) -> tuple[int, int]:
    """Return the bytes of slab that page_owner lists, and those of large kmalloc allocations, which are part of it."""
    stacks = snap.stacks[["category", "frames"]]
    is_slab = (stacks["category"] == "slab").to_numpy(bool)
    is_large = is_slab & [any(_LARGE.search(frame) for frame in frames) for frames in stacks["frames"]]
    slab = large = 0
    # attribute() would import this module.
    for rows in snap.dataframes("pages", ["order", "stack_id"]):
        orders, stack_ids = rows["order"].to_numpy("int64"), rows["stack_id"].to_numpy("int64")
        slab += base_pages(orders[is_slab[stack_ids]])
        large += base_pages(orders[is_large[stack_ids]])
    return slab * snap.page_size, large * snap.page_size
