# SPDX-License-Identifier: LGPL-2.1-or-later
"""/proc/zoneinfo and /proc/vmstat, as Linux 7.2 prints them for a machine with one populated zone."""

from spo_trace.simulator.counters import Counters
from spo_trace.simulator.machine import Machine
from spo_trace.simulator.table import PAGE_SIZE

__all__ = ["vmstat", "zoneinfo"]

_EMPTY_ZONE = """\
Node 0, zone {name:>8}
  pages free     0
        boost    0
        min      {low}
        low      {low}
        high     {low}
        promo    {low}
        spanned  0
        present  0
        managed  0
        cma      0
        protection: (0, 0, 0)
"""


def zoneinfo(machine: Machine, now: Counters) -> str:
    """Return /proc/zoneinfo (mm/vmstat.c zoneinfo_show_print())."""
    values = _values(machine, now)
    return "".join(
        [
            "Node 0, zone    DMA32\n  per-node stats\n",
            _items(_NODE_NAMES, values),
            _zone_head(machine),
            _items(_ZONE_NAMES, values),
            _pagesets(machine),
            _EMPTY_ZONE.format(name="Normal", low=0),
            _EMPTY_ZONE.format(name="Movable", low=32),
        ]
    )


def vmstat(machine: Machine, now: Counters) -> str:
    """Return /proc/vmstat (mm/vmstat.c vmstat_show()); events that are not simulated are 0."""
    values = _values(machine, now)
    names = [*_ZONE_NAMES, *_NODE_NAMES, *_EVENT_NAMES]
    return "".join(f"{name} {values.get(name, 0)}\n" for name in names)


def _items(names: list[str], values: dict[str, int]) -> str:
    return "".join(f"      {name:<12} {values.get(name, 0)}\n" for name in names)


def _zone_head(machine: Machine) -> str:
    marks, buddy = machine.watermarks, machine.buddy
    fields = {
        "boost": 0,
        "min": marks.min,
        "low": marks.low,
        "high": marks.high,
        "promo": marks.promo,
        "spanned": machine.scenario.machine.spanned_pages,
        "present": machine.scenario.machine.spanned_pages,
        "managed": buddy.managed_pages,
        "cma": 0,
    }
    lines = "".join(f"        {name:<8} {value}\n" for name, value in fields.items())
    return f"  pages free     {buddy.nr_free}\n{lines}        protection: (0, 0, 0)\n"


def _pagesets(machine: Machine) -> str:
    lines = ["  pagesets\n"]
    for cpu, pcp in enumerate(machine.pcps):
        high = pcp.high
        fields = {"count": pcp.count, "high": high, "batch": pcp.batch, "high_min": high, "high_max": high}
        lines.append(f"    cpu: {cpu}\n")
        lines += [f"              {name + ':':<9} {value}\n" for name, value in fields.items()]
        lines.append("  vm stats threshold: 12\n")
    tail = {"node_unreclaimable": 0, "start_pfn": 0, "reserved_highatomic": 0, "free_highatomic": 0}
    return "".join(lines) + "".join(f"  {name + ':':<20} {value}\n" for name, value in tail.items())


def _values(machine: Machine, now: Counters) -> dict[str, int]:
    lists = {
        "inactive_anon": now.inactive_anon,
        "active_anon": now.active_anon,
        "inactive_file": now.inactive_file,
        "active_file": now.active_file,
        "unevictable": now.unevictable,
    }
    return {
        **{f"nr_{name}": pages for name, pages in lists.items()},
        **{f"nr_zone_{name}": pages for name, pages in lists.items()},
        "nr_free_pages": machine.buddy.nr_free,
        "nr_free_pages_blocks": machine.buddy.nr_free_in_blocks(),
        "nr_slab_unreclaimable": now.slab,
        "nr_anon_pages": now.anon,
        "nr_mapped": now.active_file,
        "nr_file_pages": now.cached + now.swap_cached,
        "nr_shmem": now.shmem,
        # Not in base pages: the first two count huge pages, the third KiB.
        "nr_anon_transparent_hugepages": now.anon_huge >> 9,
        "nr_shmem_hugepages": now.shmem_huge >> 9,
        "nr_kernel_stack": now.kernel_stack * PAGE_SIZE // 1024,
        "nr_page_table_pages": now.page_tables,
        "nr_swapcached": now.swap_cached,
        **machine.events,
    }


_NODE_TEXT = """
nr_inactive_anon nr_active_anon nr_inactive_file nr_active_file nr_unevictable nr_slab_reclaimable
nr_slab_unreclaimable nr_isolated_anon nr_isolated_file workingset_nodes workingset_refault_anon
workingset_refault_file workingset_activate_anon workingset_activate_file workingset_restore_anon
workingset_restore_file workingset_nodereclaim nr_anon_pages nr_mapped nr_file_pages nr_dirty nr_writeback
nr_shmem nr_shmem_hugepages nr_shmem_pmdmapped nr_file_hugepages nr_file_pmdmapped
nr_anon_transparent_hugepages nr_vmscan_write nr_vmscan_immediate_reclaim nr_dirtied nr_written
nr_throttled_written nr_kernel_misc_reclaimable nr_foll_pin_acquired nr_foll_pin_released nr_vmalloc
nr_kernel_stack nr_page_table_pages nr_sec_page_table_pages nr_swapcached pgdemote_kswapd pgdemote_direct
pgdemote_khugepaged pgdemote_proactive pgsteal_kswapd pgsteal_direct pgsteal_khugepaged pgsteal_proactive
pgsteal_anon pgsteal_file pgscan_kswapd pgscan_direct pgscan_khugepaged pgscan_proactive pgscan_anon
pgscan_file pgrefill nr_balloon_pages nr_kernel_file_pages nr_gpu_active nr_gpu_reclaim
"""
_NODE_NAMES = _NODE_TEXT.split()

_ZONE_TEXT = """
nr_free_pages nr_free_pages_blocks nr_zone_inactive_anon nr_zone_active_anon nr_zone_inactive_file
nr_zone_active_file nr_zone_unevictable nr_zone_write_pending nr_mlock nr_zspages nr_free_cma numa_hit
numa_miss numa_foreign numa_interleave numa_local numa_other
"""
_ZONE_NAMES = _ZONE_TEXT.split()

_EVENT_TEXT = """
nr_dirty_threshold nr_dirty_background_threshold nr_memmap_pages nr_memmap_boot_pages pgpgin pgpgout pswpin
pswpout pgalloc_dma32 pgalloc_normal pgalloc_movable allocstall_dma32 allocstall_normal allocstall_movable
pgskip_dma32 pgskip_normal pgskip_movable pgfree pgactivate pgdeactivate pglazyfree pgfault pgmajfault
pglazyfreed pgreuse pgscan_direct_throttle zone_reclaim_success zone_reclaim_failed pginodesteal
slabs_scanned kswapd_inodesteal kswapd_low_wmark_hit_quickly kswapd_high_wmark_hit_quickly pageoutrun
pgrotated drop_pagecache drop_slab oom_kill pgmigrate_success pgmigrate_fail thp_migration_success
thp_migration_fail thp_migration_split compact_migrate_scanned compact_free_scanned compact_isolated
compact_stall compact_fail compact_success compact_daemon_wake compact_daemon_migrate_scanned
compact_daemon_free_scanned unevictable_pgs_culled unevictable_pgs_scanned unevictable_pgs_rescued
unevictable_pgs_mlocked unevictable_pgs_munlocked unevictable_pgs_cleared unevictable_pgs_stranded
thp_fault_alloc thp_fault_fallback thp_fault_fallback_charge thp_collapse_alloc thp_collapse_alloc_failed
thp_file_alloc thp_file_fallback thp_file_fallback_charge thp_file_mapped thp_split_page
thp_split_page_failed thp_deferred_split_page thp_underused_split_page thp_split_pmd
thp_scan_exceed_none_pte thp_scan_exceed_swap_pte thp_scan_exceed_share_pte thp_split_pud
thp_zero_page_alloc thp_zero_page_alloc_failed thp_swpout thp_swpout_fallback swap_ra swap_ra_hit swpin_zero
swpout_zero zswpin zswpout zswpwb direct_map_level2_splits direct_map_level3_splits
direct_map_level2_collapses direct_map_level3_collapses nr_unstable
"""
_EVENT_NAMES = _EVENT_TEXT.split()
