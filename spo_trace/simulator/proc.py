# SPDX-License-Identifier: LGPL-2.1-or-later
"""Small /proc files and uname, as Linux 7.2 prints them."""

from spo_trace.simulator.counters import Counters
from spo_trace.simulator.machine import NSEC, Machine
from spo_trace.simulator.table import PAGE_SIZE

__all__ = ["meminfo", "swaps", "uname", "uptime"]

_KIB_OF_PAGE = PAGE_SIZE // 1024
# With 5-level page tables.
_VMALLOC_TOTAL_KIB = 13743895347199
_DIRECT_MAP_4K_KIB = 17268


def meminfo(machine: Machine, now: Counters) -> str:
    """Return /proc/meminfo (fs/proc/meminfo.c)."""
    values = {name: pages * _KIB_OF_PAGE for name, pages in _meminfo_pages(machine, now).items()}
    values["VmallocTotal"] = _VMALLOC_TOTAL_KIB
    values["DirectMap4k"] = _DIRECT_MAP_4K_KIB
    return "".join(f"{name + ':':<16}{values.get(name, 0):8} kB\n" for name in _MEMINFO_NAMES)


def _meminfo_pages(machine: Machine, now: Counters) -> dict[str, int]:
    managed = machine.buddy.managed_pages
    return {
        "MemTotal": managed,
        "MemFree": machine.buddy.nr_free,
        "MemAvailable": _available(machine, now),
        "Cached": now.cached,
        "SwapCached": now.swap_cached,
        "Active": now.active_anon + now.active_file,
        "Inactive": now.inactive_anon + now.inactive_file,
        "Active(anon)": now.active_anon,
        "Inactive(anon)": now.inactive_anon,
        "Active(file)": now.active_file,
        "Inactive(file)": now.inactive_file,
        "Unevictable": now.unevictable,
        "SwapTotal": now.swap_total,
        "SwapFree": now.swap_total - now.swap_used,
        "AnonPages": now.anon,
        "Mapped": now.active_file,
        "Shmem": now.shmem,
        "Slab": now.slab,
        "SUnreclaim": now.slab,
        "KernelStack": now.kernel_stack,
        "PageTables": now.page_tables,
        "CommitLimit": managed // 2 + now.swap_total,
        "Committed_AS": now.anon + now.shmem + now.swap_used,
        "VmallocUsed": now.kernel_stack,
        "Percpu": now.percpu,
        "AnonHugePages": now.anon_huge,
        "ShmemHugePages": now.shmem_huge,
        "DirectMap2M": machine.scenario.machine.spanned_pages,
    }


# si_mem_available() (mm/show_mem.c, 7.2); with one zone, totalreserve_pages is its high watermark.
def _available(machine: Machine, now: Counters) -> int:
    marks = machine.watermarks
    page_cache = now.active_file + now.inactive_file
    page_cache -= min(page_cache // 2, marks.low)
    return max(machine.buddy.nr_free - marks.high + page_cache, 0)


def swaps(machine: Machine) -> str:
    """Return /proc/swaps (mm/swapfile.c swap_show())."""
    lines = ["Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"]
    for device in machine.swap.devices:
        spec = device.spec
        kind = spec.type if spec.type == "partition" else "file\t"
        size, used = device.nr_slots * _KIB_OF_PAGE, device.used * _KIB_OF_PAGE
        padding = " " * max(40 - len(spec.name), 1)
        lines.append(f"{spec.name}{padding}{kind}\t{_tabbed(size)}\t{_tabbed(used)}\t{spec.priority}\n")
    return "".join(lines)


def _tabbed(kib: int) -> str:
    return f"{kib}\t" if kib < 10_000_000 else f"{kib}"


def uptime(machine: Machine) -> str:
    """Return /proc/uptime: seconds since boot, and the sum of the processors' idle seconds."""
    up = machine.clock_nsec / NSEC
    return f"{up:.2f} {up * len(machine.pcps) / 2:.2f}\n"


def uname(machine: Machine) -> str:
    """Return the output of `uname -a`."""
    spec = machine.scenario.machine
    return f"Linux {spec.hostname} {spec.release} {spec.version} x86_64 GNU/Linux\n"


_MEMINFO_TEXT = """
MemTotal MemFree MemAvailable Buffers Cached SwapCached Active Inactive Active(anon) Inactive(anon)
Active(file) Inactive(file) Unevictable Mlocked SwapTotal SwapFree Zswap Zswapped Dirty Writeback AnonPages
Mapped Shmem KReclaimable Slab SReclaimable SUnreclaim KernelStack PageTables SecPageTables NFS_Unstable
Bounce WritebackTmp CommitLimit Committed_AS VmallocTotal VmallocUsed VmallocChunk Percpu AnonHugePages
ShmemHugePages ShmemPmdMapped FileHugePages FilePmdMapped Balloon GPUActive GPUReclaim DirectMap4k
DirectMap2M DirectMap1G
"""
_MEMINFO_NAMES = _MEMINFO_TEXT.split()
