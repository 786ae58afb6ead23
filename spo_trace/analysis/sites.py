# SPDX-License-Identifier: LGPL-2.1-or-later
"""Memory by site: what the kernel itself counts for each place that allocates (/proc/allocinfo)."""

from collections.abc import Mapping

import pandas as pd

from spo_trace.analysis.keys import SITE
from spo_trace.analysis.notes import Note, NoteCode
from spo_trace.errors import SpoTraceError
from spo_trace.reporters.format import counted, format_size
from spo_trace.schema import KEY_KNOWN
from spo_trace.snapshots.dataframes import unknown_numbers
from spo_trace.snapshots.reader import Snapshot

__all__ = ["site_amounts", "site_notes"]

# Functions that allocate the pages of objects, which are counted again for whoever allocates the objects.
# alloc_slab_page() of mm/slub.c, pcpu_alloc_pages() of mm/percpu-vm.c.
_OF_OBJECTS = ("alloc_slab_page", "pcpu_alloc_pages")


def site_amounts(snap: Snapshot) -> pd.DataFrame:
    """Return the amounts of `attribute` for each site that has memory, without their share; and its calls.

    Sites are as the kernel prints them (`mm/slub.c:3061 func:alloc_slab_page`; of a module, `[NAME]` follows the line).
    Only bytes of memory are known; objects are no whole pages. Raise SpoTraceError without counts of sites.
    """
    if not snap.meta.counts_sites:
        raise SpoTraceError(
            f"{snap.path.name} has no counts of sites: there was no /proc/allocinfo",
            hint="the kernel needs CONFIG_MEM_ALLOC_PROFILING (Linux 6.10 and later) and sysctl.vm.mem_profiling=1",
        )
    sites = snap.read("sites")
    module = ("[" + sites["module"].astype("string") + "] ").fillna("")
    named = sites.assign(
        site=sites["file"] + ":" + sites["line"].astype("string") + " " + module + "func:" + sites["function"],
        # The counters of processors are read one after the other: for a moment, a sum can be negative.
        mem_bytes=sites["bytes"].clip(lower=0),
    )
    sums = named.groupby(SITE, as_index=False, sort=False)[["mem_bytes", "calls"]].sum()
    sums = sums[(sums["mem_bytes"] > 0) | (sums["calls"] > 0)].reset_index(drop=True)
    unknown = unknown_numbers(sums)
    table = pd.DataFrame({SITE: sums[SITE].astype("string"), KEY_KNOWN: True})
    for part in ("mem", "swap", "swap_cache"):
        table[f"{part}_pages"] = unknown
    table["mem_bytes"] = sums["mem_bytes"].astype("int64")
    table["swap_bytes"] = table["swap_cache_bytes"] = unknown
    table["total_bytes"] = table["mem_bytes"]
    table["calls"] = sums["calls"].astype("int64")
    return table


def site_notes(snap: Snapshot, total: Mapping[str, int | None]) -> list[Note]:
    """Return notes on how to read memory by site; `total`: the sums of the table, from `analysis.totals`."""
    sites = snap.read("sites")
    twice = int(sites["bytes"][sites["function"].isin(_OF_OBJECTS)].clip(lower=0).sum())
    whole = format_size(total["mem_bytes"] or 0)
    why = "these count again as the objects in them, at the sites that allocated the objects"
    text = f"Total: {whole} in memory, of which {format_size(twice)} are pages of slab and percpu: {why}"
    notes = [Note(NoteCode.TOTAL, text)]
    if inexact := int((~sites["accurate"]).sum()):
        places = counted(inexact, "site")
        text = f"The kernel could not count all allocations of {places} (accurate:no): at least these amounts"
        notes.append(Note(NoteCode.SITES_INEXACT, text))
    return notes
