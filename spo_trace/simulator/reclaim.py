# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reclaim: drop page cache and swap out anonymous and tmpfs pages, oldest first (mm/vmscan.c)."""

from typing import TYPE_CHECKING

from spo_trace.simulator.objects import Page, SwapEntry

if TYPE_CHECKING:
    from spo_trace.simulator.machine import Machine

__all__ = ["balance", "drain_per_cpu_lists", "reclaim_page"]


def balance(machine: "Machine") -> None:
    """Reclaim until the free pages reach the high watermark or nothing can be reclaimed (balance_pgdat())."""
    while machine.buddy.nr_free < machine.watermarks.high:
        victims = machine.lru.victims(anon=machine.swap.nr_free > 0)
        freed = [reclaim_page(machine, page) for page in victims]
        if not any(freed):
            return


def drain_per_cpu_lists(machine: "Machine") -> None:
    """Return the pages of all per-CPU lists to the zone."""
    for pcp in machine.pcps:
        pcp.drain()


def reclaim_page(machine: "Machine", page: Page) -> bool:
    """Drop the page or swap it out, and free its frames; return False if swap is full."""
    region = page.region
    if page.site.kind == "file":
        region.slots[page.index] = None
    elif page.entry is not None:
        page.entry.cached = None
        region.slots[page.index] = page.entry
    elif not _swap_out(machine, page):
        return page.order > 0 and _reclaim_split(machine, page)
    machine.release(page, cpu=machine.kswapd.cpu)
    return True


# The swap entries replace the page in its region; with the RFC, each keeps the page's owner.
def _swap_out(machine: "Machine", page: Page) -> bool:
    region = page.region
    values = machine.swap.take(1 << page.order)
    if values is None:
        return False
    owner = page.owner if machine.scenario.swap_owner else None
    for index, value in enumerate(values, page.index):
        entry = SwapEntry(value, region, index, page.memcg, owner)
        machine.swap.entries[value] = entry
        region.slots[index] = entry
    machine.events["pswpout"] += len(values)
    machine.charge_entries(len(values))
    return True


# Without enough contiguous slots, a large page is split; each piece gets its owner (split_page_owner()).
def _reclaim_split(machine: "Machine", page: Page) -> bool:
    return sum(reclaim_page(machine, piece) for piece in machine.split(page)) > 0
