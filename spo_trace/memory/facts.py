# SPDX-License-Identifier: LGPL-2.1-or-later
"""The facts of a machine out of its kernel's memory, as the text of the files that a live machine has in /proc.

A structure that is not in the dump is never taken for zeros: the whole file is left out then.
"""

import struct
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from spo_trace.memory.clock import Clock, read_clock
from spo_trace.memory.image import Unreadable
from spo_trace.memory.kernel import Kernel
from spo_trace.memory.problem import Problem
from spo_trace.memory.swap_areas import swap_areas_text
from spo_trace.memory.zones import zoneinfo_text

__all__ = ["facts_of", "swap_entries_used"]

# Lines of /proc/meminfo that are one counter of the nodes (meminfo_proc_show(), fs/proc/meminfo.c).
_NODE_COUNTERS = {
    "SwapCached": "NR_SWAPCACHE",
    "Active(anon)": "NR_ACTIVE_ANON",
    "Inactive(anon)": "NR_INACTIVE_ANON",
    "Active(file)": "NR_ACTIVE_FILE",
    "Inactive(file)": "NR_INACTIVE_FILE",
    "Unevictable": "NR_UNEVICTABLE",
    "Dirty": "NR_FILE_DIRTY",
    "Writeback": "NR_WRITEBACK",
    "AnonPages": "NR_ANON_MAPPED",
    "Mapped": "NR_FILE_MAPPED",
    "Shmem": "NR_SHMEM",
    "SReclaimable": "NR_SLAB_RECLAIMABLE_B",
    "SUnreclaim": "NR_SLAB_UNRECLAIMABLE_B",
    "PageTables": "NR_PAGETABLE",
}
# __NEW_UTS_LEN and the NUL (linux/utsname.h).
_UTS_BYTES = 65
# COMMAND_LINE_SIZE of x86.
_CMDLINE_BYTES = 2048


def facts_of(kernel: Kernel, page_size: int) -> dict[str, bytes]:
    """Return the text of each file that the memory has, by its name in a capture."""
    clock = read_clock(kernel)
    readers: dict[str, Callable[[], bytes | None]] = {
        "uname": lambda: _uname(kernel),
        "cmdline": lambda: _cmdline(kernel),
        "date": lambda: _date(kernel, clock),
        "uptime": lambda: None if clock is None else b"%.2f 0.00\n" % clock.uptime,
        "boot_id": lambda: _boot_id(kernel),
        "pagesize": lambda: b"%d\n" % page_size,
        "meminfo": lambda: _meminfo(kernel, page_size),
        "zoneinfo": lambda: zoneinfo_text(kernel),
        "swaps": lambda: swap_areas_text(kernel, page_size),
    }
    found = {}
    for name, read in readers.items():
        try:
            text = read()
        except Problem:
            continue
        if text:
            found[name] = text
    # Nothing changes while a dump is read.
    return found | {f"{name}-after": found[name] for name in ("meminfo", "uptime") if name in found}


def swap_entries_used(kernel: Kernel) -> int | None:
    """Return the number of swap entries in use, None if it is unknown: two variables, which no filter leaves out."""
    try:
        total, free = (_signed(kernel, name) for name in ("total_swap_pages", "nr_swap_pages"))
    except Problem:
        return None
    return total - free if 0 <= free <= total else None


# uname -a without the machine's second and third name.
def _uname(kernel: Kernel) -> bytes:
    at = kernel.symbols.address("init_uts_ns") + kernel.types.offset("uts_namespace", "name")
    fields = ("sysname", "nodename", "release", "version", "machine")
    words = [kernel.image.string(at + kernel.types.offset("new_utsname", name), _UTS_BYTES) for name in fields]
    return b" ".join(words) + b" GNU/Linux\n" if words[0] == b"Linux" else b""


def _cmdline(kernel: Kernel) -> bytes:
    return kernel.image.string(kernel.variable("saved_command_line"), _CMDLINE_BYTES) + b"\n"


def _date(kernel: Kernel, clock: Clock | None) -> bytes | None:
    seconds = kernel.image.vmcoreinfo.number("CRASHTIME") or (clock.seconds if clock else None)
    if seconds is None or not 0 < seconds < 1 << 34:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ\n").encode()


# Zero until something reads it for the first time.
def _boot_id(kernel: Kernel) -> bytes:
    value = kernel.image.read(kernel.symbols.address("sysctl_bootid"), 16)
    return f"{uuid.UUID(bytes=value)}\n".encode() if any(value) else b""


def _meminfo(kernel: Kernel, page_size: int) -> bytes:
    value = kernel.types.value
    counters = {
        "MemTotal": _signed(kernel, "_totalram_pages"),
        "MemFree": _signed(kernel, "vm_zone_stat", value("NR_FREE_PAGES")),
        "SwapTotal": _signed(kernel, "total_swap_pages"),
        "SwapFree": _signed(kernel, "nr_swap_pages"),
    }
    for name, enumerator in _NODE_COUNTERS.items():
        number = kernel.types.btf.enumerator(enumerator)
        if number is not None:
            # A counter may be below zero for a while, when processors have not added their part; the kernel prints 0.
            counters[name] = max(_signed(kernel, "vm_node_stat", number), 0)
    if not 0 < counters["MemTotal"] < 1 << 40:
        return b""
    return b"".join(b"%-16s%8d kB\n" % (name.encode() + b":", n * page_size >> 10) for name, n in counters.items())


def _signed(kernel: Kernel, variable: str, index: int = 0) -> int:
    at = kernel.symbols.address(variable) + 8 * index
    value = int(struct.unpack("<q", kernel.image.read(at, 8))[0])
    if not -(1 << 40) < value < 1 << 40:
        raise Unreadable(f"{variable} is damaged")
    return value
