# SPDX-License-Identifier: LGPL-2.1-or-later
"""The machine: page frames, pages and their owners, processes, swap, time; allocation, freeing and migration."""

import copy
import random
from collections import Counter

from spo_trace.errors import SpoTraceError
from spo_trace.simulator import reclaim
from spo_trace.simulator.buddy import Buddy, PerCpuPages
from spo_trace.simulator.lru import Lru
from spo_trace.simulator.objects import Memcg, Owner, Page, Process, Region, SwapEntry
from spo_trace.simulator.printer import PAGE_FLAGS
from spo_trace.simulator.scenario import Scenario
from spo_trace.simulator.sites import Site
from spo_trace.simulator.slab import ObjectCache
from spo_trace.simulator.stacks import Stack, StackDepot
from spo_trace.simulator.swap import SwapSpace
from spo_trace.simulator.watermarks import Watermarks, pcp_batch

__all__ = ["Machine"]

NSEC = 1_000_000_000
ROOT_MEMCG = Memcg(b"/")
_LRU_KINDS = frozenset({"anon", "shmem", "file"})
_INIT_FRAMES = ("mm_core_init+0x17a/0x184", "start_kernel+0x56e/0x75b")
_DUMMY_STACK = ("register_dummy_stack+0x28/0x43", "init_page_owner+0x29/0x24d", *_INIT_FRAMES)
_FAILURE_STACK = ("register_failure_stack+0x28/0x43", "init_page_owner+0x2e/0x24d", *_INIT_FRAMES)
# The maximum duration of one page allocation.
_ALLOC_NSEC = 3000
_MAKE_ROOM = (reclaim.drain_per_cpu_lists, reclaim.balance)
_SWAP_CACHE = PAGE_FLAGS["owner_priv_1"]


class Machine:
    """The state of one machine; `pages` contains all pages with an owner by the PFN of their head page."""

    def __init__(self, scenario: Scenario) -> None:
        spec = scenario.machine
        self.scenario = scenario
        self.clock_nsec = 0
        self.rng = random.Random(scenario.seed)  # noqa: S311 - a model, no cryptography
        self.buddy = Buddy(spec.spanned_pages, spec.reserved)
        self.watermarks = Watermarks.of_min_free(spec.min_free_kib)
        batch = pcp_batch(self.buddy.managed_pages)
        high = max(self.watermarks.low // spec.cpus, 4 * batch)
        self.pcps = [PerCpuPages(self.buddy, high, batch) for _ in range(spec.cpus)]
        self.lru = Lru()
        self.swap = SwapSpace(scenario.swaps)
        self.depot = StackDepot()
        self.pages: dict[int, Page] = {}
        self.kswapd = Process(spec.kswapd_pid, spec.kswapd_pid, b"kswapd0", ROOT_MEMCG, 0)
        # Event counters of /proc/vmstat.
        self.events: Counter[str] = Counter()
        self.caches = self._object_caches()
        self._stacks: dict[Site, Stack] = {}
        self._free_ts: dict[int, int] = {}
        self._boot()

    def allocate(self, site: Site, process: Process, region: Region, index: int = 0) -> Page:
        """Allocate a page of `site` for `process` and return it; reclaimable kinds are added to the LRU.

        Raise SpoTraceError if memory is exhausted and nothing can be reclaimed.
        """
        if process is not self.kswapd and self.buddy.nr_free - (1 << site.order) < self.watermarks.low:
            reclaim.balance(self)
        pfn, order = self._take_frames(site, process)
        self.clock_nsec += 1 + int(self.rng.random() * _ALLOC_NSEC)
        self.events["pgalloc_dma32"] += 1 << order
        owner = Owner(process.pid, process.tgid, process.comm, self.clock_nsec, self._stack(site))
        free_ts = self._free_ts.get(pfn, 0)
        page = Page(pfn, order, site, owner, process.memcg, _flags(site, order), region, index, free_ts)
        self.pages[pfn] = page
        if site.kind in _LRU_KINDS:
            if not region.swappable:
                page.flags |= PAGE_FLAGS["unevictable"]
            self.lru.add(page)
        return page

    def release(self, page: Page, *, cpu: int | None = None) -> None:
        """Free the page and its owner's record, on processor `cpu` or by default on that of its owner."""
        self.events["pgfree"] += 1 << page.order
        self.lru.remove(page)
        del self.pages[page.pfn]
        self._put_frames(page, page.owner.pid % len(self.pcps) if cpu is None else cpu)

    def add_to_region(self, region: Region, process: Process, nr_pages: int, *, active: bool) -> None:
        """Allocate `nr_pages` base pages at the region's site and append them to the region."""
        step = 1 << region.site.order
        start = region.size
        for index in range(start, start + nr_pages, step):
            page = self.allocate(region.site, process, region, index)
            if active:
                self.lru.activate(page)
            region.slots[index] = page
            region.size = index + step
            if region.site.kind == "shmem":
                self._fit_nodes(region, process)

    def shrink_region(self, region: Region, nr_pages: int) -> None:
        """Free the region's last `nr_pages` base pages in memory and in swap."""
        end = region.size
        region.size = max(end - nr_pages, 0)
        for index in range(end - 1, region.size - 1, -1):
            slot = region.slots.pop(index, None)
            if isinstance(slot, Page):
                self.leave_swap_cache(slot)
                self.release(slot)
            elif isinstance(slot, SwapEntry):
                self.free_entry(slot)
        self._fit_nodes(region, self.kswapd)

    def free_entry(self, entry: SwapEntry) -> None:
        """Free an unmapped swap entry, its owner's record, and its page in the swap cache, if it has one."""
        page = entry.cached
        self._drop_entry(entry)
        if page is not None:
            self.release(page)

    def leave_swap_cache(self, page: Page) -> None:
        """Free the page's swap entry, if it has one, but not the page."""
        if page.entry is not None:
            self._drop_entry(page.entry)
            page.entry = None
            page.flags &= ~_SWAP_CACHE

    def charge_entries(self, nr_entries: int) -> None:
        """Allocate the kernel's own memory for swap entries: swap tables and, with the RFC, records."""
        names = ["swap-table"]
        if self.scenario.swap_owner:
            names += ["swap-record", "swap-record-node"]
        for name in names:
            self.caches[name].grow(nr_entries, self.kswapd)

    def split(self, page: Page) -> list[Page]:
        """Split a large page into pages of order 0 with the same owner."""
        self.lru.remove(page)
        pieces = [copy.copy(page) for _ in range(1 << page.order)]
        for offset, piece in enumerate(pieces):
            piece.pfn += offset
            piece.index += offset
            piece.order = 0
            piece.flags &= ~PAGE_FLAGS["head"]
            self.pages[piece.pfn] = piece
            self.lru.add(piece)
            piece.region.slots[piece.index] = piece
        return pieces

    def migrate(self, page: Page, reason: str) -> None:
        """Move the page and its owner to other frames, if any are free (__folio_copy_owner())."""
        pfn = self._take_block(page.order, page.site.migratetype, self.kswapd)
        if pfn is None:
            return
        del self.pages[page.pfn]
        self._put_frames(page, self.kswapd.cpu)
        page.pfn = pfn
        page.migrate_reason = reason
        self.pages[pfn] = page

    def _object_caches(self) -> dict[str, ObjectCache]:
        sites = self.scenario.sites
        # The numbers are objects per slab: 14 xarray nodes of 576 bytes in two pages, 102 records of 40 bytes in one.
        # Nodes of records are counted in records (64 in each node), swap tables in slots (512 in each page).
        return {
            "xa-node": ObjectCache(self, sites["xa-node"], 14),
            "swap-record": ObjectCache(self, sites["swap-record"], 102),
            "swap-record-node": ObjectCache(self, sites["swap-record-node"], 14 * 64),
            "swap-table": ObjectCache(self, sites["swap-table"], 512),
        }

    def _boot(self) -> None:
        spec = self.scenario.machine
        early = self.scenario.sites["early"]
        self.depot.save(_DUMMY_STACK)
        self.depot.save(_FAILURE_STACK)
        self._stacks[early] = self.depot.save(early.frames, counted=False)
        swapper = Process(0, 0, b"swapper", ROOT_MEMCG, 0)
        region = Region(early.name, early, swapper, swappable=False)
        for _ in range(spec.early_pages):
            page = self.allocate(early, swapper, region)
            page.owner = page.owner._replace(ts_nsec=0)
        for _ in range(spec.unowned_pages):
            self._take_block(0, "Unmovable", swapper)
        self.clock_nsec = spec.boot_seconds * NSEC

    def _stack(self, site: Site) -> Stack:
        stack = self._stacks.get(site)
        if stack is None:
            stack = self._stacks[site] = self.depot.save(site.frames)
        return stack

    # Returns the PFN and the order; slab falls back to order 0 (mm/slub.c allocate_slab()).
    def _take_frames(self, site: Site, process: Process) -> tuple[int, int]:
        for order in (site.order, 0) if site.kind == "slab" else (site.order,):
            pfn = self._take_block(order, site.migratetype, process)
            if pfn is not None:
                return pfn, order
        raise SpoTraceError(
            f"scenario {self.scenario.name}: out of memory: no free block of order {site.order}",
            hint="make the machine larger, allocate less, or add swap",
        )

    def _take_block(self, order: int, migratetype: str, process: Process) -> int | None:
        pcp = self.pcps[process.cpu]
        # kswapd cannot wait for itself: it allocates below the watermarks.
        make_room = [reclaim.drain_per_cpu_lists] if process is self.kswapd else list(_MAKE_ROOM)
        while True:
            pfn = pcp.alloc(migratetype) if order == 0 else self.buddy.alloc(order, migratetype)
            if pfn is not None or not make_room:
                return pfn
            make_room.pop()(self)

    def _put_frames(self, page: Page, cpu: int) -> None:
        self._free_ts[page.pfn] = self.clock_nsec
        if page.order == 0:
            self.pcps[cpu].free(page.pfn)
        else:
            self.buddy.free(page.pfn, page.order)

    def _drop_entry(self, entry: SwapEntry) -> None:
        self.swap.free(entry)
        self.caches["swap-table"].shrink(1)
        if entry.owner is not None:
            self.caches["swap-record"].shrink(1)
            self.caches["swap-record-node"].shrink(1)

    # One xarray node for each 64 pages of a tmpfs file.
    def _fit_nodes(self, region: Region, process: Process) -> None:
        nr_nodes = -(-region.size // 64) if region.site.kind == "shmem" else 0
        cache = self.caches["xa-node"]
        if nr_nodes > region.nr_nodes:
            cache.grow(nr_nodes - region.nr_nodes, process)
        elif nr_nodes < region.nr_nodes:
            cache.shrink(region.nr_nodes - nr_nodes)
        region.nr_nodes = nr_nodes


def _flags(site: Site, order: int) -> int:
    return site.flags if order else site.flags & ~PAGE_FLAGS["head"]
