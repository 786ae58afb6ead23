# SPDX-License-Identifier: LGPL-2.1-or-later
"""The files of a stage: the paths of the machine and their contents."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from spo_trace.simulator import proc, zoneinfo
from spo_trace.simulator.counters import Counters
from spo_trace.simulator.machine import Machine
from spo_trace.simulator.objects import Page
from spo_trace.simulator.old_formats import PAGE_OWNER_RECORDS
from spo_trace.simulator.pageblocks import MEMORY_BLOCK_SIZE, pagetypeinfo
from spo_trace.simulator.printer import (
    PAGEBLOCK_ORDER,
    PageRecord,
    handle_count_record,
    memcg_line,
    page_flags_text,
    stack_count_record,
    stack_handle_record,
    swap_record,
)
from spo_trace.simulator.stacks import Stack

__all__ = ["Read", "Stage", "stage_files"]

Read = Callable[[], Iterator[bytes]]

_DEBUG = "sys/kernel/debug"


@dataclass(frozen=True, slots=True)
class Stage:
    """The files at one point in time: `files` maps a path relative to / to a function that yields the file's bytes.

    For page_owner and swap_page_owner each chunk is one record, like one read(2). The text is printed from the running
    machine: consume it before the next stage.
    """

    name: str
    files: dict[str, Read]


def stage_files(machine: Machine) -> dict[str, Read]:
    """Return the machine's files by path."""
    files: dict[str, Read] = {f"{_DEBUG}/page_owner": lambda: page_owner(machine)}
    if machine.scenario.swap_owner:
        files[f"{_DEBUG}/swap_page_owner"] = lambda: swap_page_owner(machine)
    # page_owner_stacks exists since Linux 6.9; the other formats are those of older kernels.
    if machine.scenario.format == "F":
        for name, read in _STACK_FILES.items():
            files[f"{_DEBUG}/page_owner_stacks/{name}"] = _later(read, machine)
    for path, text in _PROC_FILES.items():
        files[path] = _later(text, machine)
    return files


def page_owner(machine: Machine) -> Iterator[bytes]:
    """Yield the records of page_owner, lowest PFN first."""
    record = PAGE_OWNER_RECORDS[machine.scenario.format]
    for pfn in sorted(machine.pages):
        yield record(_page_record(machine, machine.pages[pfn]))


def swap_page_owner(machine: Machine) -> Iterator[bytes]:
    """Yield the records of swap_page_owner, lowest entry first."""
    for value, entry in sorted(machine.swap.entries.items()):
        if entry.owner is not None:
            pid, tgid, comm, ts_nsec, stack = entry.owner
            yield swap_record(value, pid, tgid, comm, ts_nsec, stack.text)


def _page_record(machine: Machine, page: Page) -> PageRecord:
    pid, tgid, comm, ts_nsec, stack = page.owner
    site, memcg = page.site, page.memcg
    return PageRecord(
        page.pfn,
        page.order,
        site.gfp,
        pid,
        tgid,
        comm,
        ts_nsec,
        page.free_ts_nsec,
        site.migratetype.encode(),
        machine.buddy.block_type[page.pfn >> PAGEBLOCK_ORDER].encode(),
        page_flags_text(page.flags),
        stack.text,
        page.migrate_reason.encode(),
        memcg_line(site.charge, memcg.name, offline=memcg.offline),
        page.swapped,
    )


# Each base page in memory and each swap record counts once (with the RFC, both hold a refcount of the stack_record).
def _nr_base_pages(machine: Machine) -> Counter[Stack]:
    counts: Counter[Stack] = Counter()
    for page in machine.pages.values():
        counts[page.owner.stack] += 1 << page.order
    for entry in machine.swap.entries.values():
        if entry.owner is not None:
            counts[entry.owner.stack] += 1
    return counts


# Newest first, because the kernel adds new stacks at the head of its list.
def _listed_stacks(machine: Machine) -> list[Stack]:
    return [stack for stack in reversed(machine.depot.stacks.values()) if stack.counted]


def _counted_stacks(machine: Machine) -> list[tuple[Stack, int]]:
    counts = _nr_base_pages(machine)
    return [(stack, counts[stack]) for stack in _listed_stacks(machine) if counts[stack]]


def _show_stacks(machine: Machine) -> Iterator[bytes]:
    return (stack_count_record(stack.text, count) for stack, count in _counted_stacks(machine))


def _show_handles(machine: Machine) -> Iterator[bytes]:
    return (handle_count_record(stack.handle, count) for stack, count in _counted_stacks(machine))


def _show_stacks_handles(machine: Machine) -> Iterator[bytes]:
    return (stack_handle_record(stack.text, stack.handle) for stack in _listed_stacks(machine))


def _later(read: Callable[[Machine], Iterator[bytes]], machine: Machine) -> Read:
    return lambda: read(machine)


def _one_chunk(text: Callable[[Machine], str]) -> Callable[[Machine], Iterator[bytes]]:
    return lambda machine: iter([text(machine).encode()])


_STACK_FILES: dict[str, Callable[[Machine], Iterator[bytes]]] = {
    "show_stacks": _show_stacks,
    "show_handles": _show_handles,
    "show_stacks_handles": _show_stacks_handles,
    "count_threshold": _one_chunk(lambda machine: "0"),
}

_PROC_FILES: dict[str, Callable[[Machine], Iterator[bytes]]] = {
    "proc/meminfo": _one_chunk(lambda machine: proc.meminfo(machine, Counters.of(machine))),
    "proc/swaps": _one_chunk(proc.swaps),
    "proc/zoneinfo": _one_chunk(lambda machine: zoneinfo.zoneinfo(machine, Counters.of(machine))),
    "proc/vmstat": _one_chunk(lambda machine: zoneinfo.vmstat(machine, Counters.of(machine))),
    "proc/pagetypeinfo": _one_chunk(pagetypeinfo),
    "sys/devices/system/memory/block_size_bytes": _one_chunk(lambda machine: f"{MEMORY_BLOCK_SIZE:x}\n"),
    "proc/cmdline": _one_chunk(lambda machine: f"{machine.scenario.machine.cmdline}\n"),
    "proc/uptime": _one_chunk(proc.uptime),
    "proc/sys/kernel/random/boot_id": _one_chunk(lambda machine: f"{machine.scenario.machine.boot_id}\n"),
    "proc/sys/kernel/osrelease": _one_chunk(lambda machine: f"{machine.scenario.machine.release}\n"),
    "proc/sys/kernel/hostname": _one_chunk(lambda machine: f"{machine.scenario.machine.hostname}\n"),
    "uname": _one_chunk(proc.uname),
}
