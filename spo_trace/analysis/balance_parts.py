# SPDX-License-Identifier: LGPL-2.1-or-later
"""Parts of the balance: its lines, and the pages that the kernel lists."""

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from spo_trace.analysis.row_pages import base_pages_of, size_columns
from spo_trace.snapshots.meta import Origin
from spo_trace.snapshots.reader import Snapshot
from spo_trace.stacks.placeholders import Placeholder, placeholder_of

__all__ = ["Item", "Listed", "listed_pages", "memory_used", "swap_used", "used_pages"]

# Seconds by which the newest allocation may be later than the end of the read: /proc/uptime and ts_nsec have different
# clocks, which start at different moments of the boot and drift apart.
_CLOCK_SLACK = 1.0

_SWAP_NAMES = {
    Origin.DEBUGFS: "swap_page_owner",
    Origin.MEMORY: "swap_page_owner",
    Origin.BPF: "swap entries of the probes",
}


class Item(NamedTuple):
    """Hold one line of the balance, in base pages.

    `kind`: `machine` (pages in use, from /proc), `listed` (pages that the kernel lists), `difference`
    (machine − listed), `explains` (a known part of the difference), `bound` (a part of which only an upper bound is
    known), `rest` (the unexplained part), `aside` (not part of the sum).
    """

    section: str
    kind: str
    item: str
    pages: int
    note: str


class Listed(NamedTuple):
    """Hold the pages that page_owner and swap_page_owner list, in base pages.

    `by_stack`: mem_pages, swap_pages, counted_pages (pages in memory and swap that the kernel counts in nr_base_pages),
    nr_base_pages, early (whether it is the placeholder stack of early boot). `by_type`: pages of each swap type.
    `placeholders`: pages in memory with each placeholder stack. `allocated`: pages in memory that were allocated after
    the read began, None if their times are unknown. `swap_name`: the file or map that lists swap, None without one.
    """

    by_stack: pd.DataFrame
    by_type: pd.Series
    placeholders: dict[Placeholder, int]
    allocated: int | None
    swap_name: str | None

    @property
    def early(self) -> int:
        return self.placeholders[Placeholder.EARLY]

    @property
    def mem(self) -> int:
        return int(self.by_stack["mem_pages"].sum())

    @property
    def swap(self) -> int:
        return int(self.by_stack["swap_pages"].sum())


def listed_pages(snap: Snapshot) -> Listed:
    """Return the pages that a snapshot lists, by stack and by swap type."""
    swap_owner = snap.meta.swap_owner
    probed = swap_owner.origin is Origin.BPF
    restored = ["kernel_stack_id", "kernel_ts_nsec"] if probed else []
    pages = snap.read("pages", [*size_columns(snap), "stack_id", "ts_nsec", *restored])
    swap = snap.read("swap", ["swap_type", "stack_id"])
    by_stack = pd.DataFrame(index=snap.stacks["stack_id"].astype("int64"))
    base_pages = base_pages_of(pages, snap)
    by_stack["mem_pages"] = base_pages.groupby(pages["stack_id"].astype("int64")).sum()
    by_stack["swap_pages"] = swap.groupby(swap["stack_id"].astype("int64")).size()
    by_stack["counted_pages"] = by_stack["mem_pages"]
    if probed:
        # If the probes restored the owner of a page, the kernel still counts the page under the stack of its swap-in.
        counted_stacks = pages["kernel_stack_id"].fillna(pages["stack_id"]).astype("int64")
        by_stack["counted_pages"] = base_pages.groupby(counted_stacks).sum()
    by_stack = by_stack.fillna(0).astype("int64")
    if swap_owner.kept_by_kernel:
        by_stack["counted_pages"] += by_stack["swap_pages"]
    by_stack["nr_base_pages"] = snap.stacks["nr_base_pages"].to_numpy()
    placeholder = pd.Series(map(placeholder_of, snap.stacks["frames"]), index=by_stack.index, dtype=object)
    by_stack["early"] = placeholder == Placeholder.EARLY
    by_type = swap.groupby(swap["swap_type"].astype("int64")).size()
    placeholders = {one: int(by_stack.loc[placeholder == one, "mem_pages"].sum()) for one in Placeholder}
    swap_name = _SWAP_NAMES[swap_owner.origin] if swap_owner.origin else None
    return Listed(by_stack, by_type, placeholders, _allocated(snap, pages, base_pages), swap_name)


# The times are unknown before Linux 5.11, without /proc/uptime, and if the newest one is not within the read: after a
# suspend, which /proc/uptime includes and ts_nsec does not.
def _allocated(snap: Snapshot, pages: pd.DataFrame, base_pages: pd.Series) -> int | None:
    machine = snap.meta.machine
    times = pages["ts_nsec"].fillna(0)
    if "kernel_ts_nsec" in pages:
        # If the probes restored an owner, ts_nsec is the time of the page's first allocation, before it was in swap.
        times = pages["kernel_ts_nsec"].fillna(times)
    if machine.uptime_start is None or times.empty:
        return None
    begin = int(machine.uptime_start * 1e9)
    end = float("inf") if machine.uptime_end is None else (machine.uptime_end + _CLOCK_SLACK) * 1e9
    return int(base_pages[times > begin].sum()) if begin <= int(times.max()) <= end else None


def used_pages(snap: Snapshot, meminfo: Mapping[str, int], total: str, free: str) -> int | None:
    """Return total − free in base pages, None if `meminfo` lacks one of them."""
    return (meminfo[total] - meminfo[free]) // snap.page_size if total in meminfo and free in meminfo else None


def memory_used(snap: Snapshot) -> tuple[int | None, int | None]:
    """Return MemTotal − MemFree before and after the read, in base pages; None if unknown."""
    return _used_twice(snap, "MemTotal", "MemFree")


def swap_used(snap: Snapshot) -> tuple[int | None, int | None]:
    """Return SwapTotal − SwapFree before and after the read, in base pages; None if unknown."""
    return _used_twice(snap, "SwapTotal", "SwapFree")


def _used_twice(snap: Snapshot, total: str, free: str) -> tuple[int | None, int | None]:
    machine = snap.meta.machine
    return used_pages(snap, machine.meminfo, total, free), used_pages(snap, machine.meminfo_after, total, free)
