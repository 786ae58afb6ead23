# SPDX-License-Identifier: LGPL-2.1-or-later
"""Memory counters of /proc/meminfo, zoneinfo and vmstat, in base pages, computed from the machine's pages."""

from collections import Counter
from dataclasses import dataclass

from spo_trace.simulator.machine import Machine

__all__ = ["Counters"]


@dataclass(frozen=True, slots=True)
class Counters:
    """The counters at one point in time, in base pages."""

    anon: int
    shmem: int
    file: int
    slab: int
    kernel_stack: int
    page_tables: int
    percpu: int
    swap_cached: int
    anon_huge: int
    shmem_huge: int
    inactive_anon: int
    active_anon: int
    inactive_file: int
    active_file: int
    unevictable: int
    swap_total: int
    swap_used: int

    @classmethod
    def of(cls, machine: Machine) -> "Counters":
        """Count the machine's pages and swap slots."""
        kinds: Counter[str] = Counter()
        huge: Counter[str] = Counter()
        swap_cached = 0
        for page in machine.pages.values():
            # Unmapped pages of the swap cache are neither anon nor shmem (NR_ANON_MAPPED, NR_SHMEM).
            mapped = page.entry is None or page.region.slots[page.index] is page
            kinds[page.site.kind if mapped else "unmapped"] += 1 << page.order
            if page.order == 9:
                huge[page.site.kind] += 1 << page.order
            swap_cached += 1 << page.order if page.entry else 0
        lru, devices = machine.lru, machine.swap.devices
        return cls(
            anon=kinds["anon"],
            shmem=kinds["shmem"],
            file=kinds["file"],
            slab=kinds["slab"],
            kernel_stack=kinds["kstack"],
            page_tables=kinds["pagetable"],
            percpu=kinds["percpu"],
            swap_cached=swap_cached,
            anon_huge=huge["anon"],
            shmem_huge=huge["shmem"],
            inactive_anon=lru.nr_pages(lru.inactive_anon),
            active_anon=lru.nr_pages(lru.active_anon),
            inactive_file=lru.nr_pages(lru.inactive_file),
            active_file=lru.nr_pages(lru.active_file),
            unevictable=lru.nr_pages(lru.unevictable),
            swap_total=sum(device.nr_slots for device in devices),
            swap_used=sum(device.used for device in devices),
        )

    @property
    def cached(self) -> int:
        """Return the pages of Cached in meminfo: page cache and tmpfs."""
        return self.file + self.shmem
