# SPDX-License-Identifier: LGPL-2.1-or-later
"""Page faults: the effects of accesses to a region, from rereading page cache to swap-in with readahead."""

from spo_trace.simulator.machine import Machine
from spo_trace.simulator.objects import Page, Process, Region, SwapEntry
from spo_trace.simulator.printer import PAGE_FLAGS

__all__ = ["touch"]


def touch(machine: Machine, process: Process, region: Region, nr_pages: int, *, write: bool) -> None:
    """Access the region's first `nr_pages` base pages as `process`."""
    for index in range(min(nr_pages, region.size)):
        if index in region.slots:
            _fault(machine, process, region, index, write=write)


def _fault(machine: Machine, process: Process, region: Region, index: int, *, write: bool) -> None:
    slot = region.slots[index]
    if isinstance(slot, Page):
        page = slot
    elif isinstance(slot, SwapEntry):
        page = slot.cached or _swap_in(machine, process, slot)
    else:
        page = machine.allocate(region.site, process, region, index)
    region.slots[index] = page
    # A tmpfs page leaves the swap cache on any access, an anon page only on a write.
    if write or region.site.kind == "shmem":
        machine.leave_swap_cache(page)
    machine.lru.mark_accessed(page)


# As in swap_cluster_readahead(): neighbouring swap entries are read, too, even if they belong to other processes.
def _swap_in(machine: Machine, process: Process, entry: SwapEntry) -> Page:
    for neighbour in machine.swap.cluster(entry, machine.scenario.machine.page_cluster):
        if neighbour.cached is None and neighbour is not entry:
            _read(machine, process, neighbour)
    return _read(machine, process, entry)


def _read(machine: Machine, process: Process, entry: SwapEntry) -> Page:
    kind = "shmem" if entry.region.site.kind == "shmem" else "anon"
    site = machine.scenario.sites[f"swapin-{kind}"]
    page = machine.allocate(site, process, entry.region, entry.index)
    machine.events["pswpin"] += 1
    page.memcg = entry.memcg
    page.flags |= PAGE_FLAGS["owner_priv_1"]
    page.entry = entry
    entry.cached = page
    if entry.owner is not None:
        page.owner = entry.owner
        page.swapped = True
    return page
