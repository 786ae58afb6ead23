# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rules on owners with an outlier share: of tmpfs, of swap, processes, cgroups, modules, call sites."""

from collections.abc import Iterator, Sequence

import pandas as pd

from spo_trace.analysis.swap_least import SHMEM
from spo_trace.findings.candidate import Checked, candidate
from spo_trace.findings.codes import Code, Lack
from spo_trace.findings.finding import FIRST, Amount, NotChecked, Query
from spo_trace.findings.owners import Owners
from spo_trace.findings.thresholds import Threshold

__all__ = ["KERNEL", "NOT_KERNEL", "kernel_callsite", "memcg", "module", "process", "swap_owner", "tmpfs"]

# Memory of processes and files: its call site is a page fault or a read, which tells nothing. Slab pages have objects
# of many callers, and memory of early boot has no stack.
NOT_KERNEL = ("anon", SHMEM, "page cache", "early boot")
KERNEL = " and ".join(f'category != "{name}"' for name in NOT_KERNEL)


def tmpfs(owners: Owners) -> Iterator[Checked]:
    """Find processes with one name that own much tmpfs and shared memory; without names, much of it in all."""
    rows = owners.rows["category"] == SHMEM
    if not owners.knows("pages", "comm"):
        # Its owner matters less than that it cannot be dropped.
        mem = owners.bytes_of("mem_bytes", rows)
        if owners.is_large(mem, Threshold.TMPFS):
            by_category = Query(("category",), options=("--sort", "mem", *FIRST))
            numbers = {"mem": Amount(mem, "mem_bytes", by_category, (SHMEM,))}
            yield candidate(Code.TMPFS, mem, numbers, by_category, {}, rows)
        return
    query = Query(("comm",), f'category == "{SHMEM}"', options=("--sort", "mem", *FIRST))
    table = owners.sums(["comm"], rows).sort_values("mem_bytes", ascending=False, kind="stable")
    for comm, mem in table[["comm", "mem_bytes"]].itertuples(index=False, name=None):
        if owners.is_large(int(mem), Threshold.TMPFS):
            numbers = {"mem": Amount(int(mem), "mem_bytes", query, (comm,))}
            own = rows & _is(owners, "comm", comm)
            # The process that swapped this memory in may not have allocated it first.
            read_back = owners.is_large(owners.bytes_of("mem_bytes", own & owners.swapped_in), Threshold.SWAP)
            names = {"owner": comm} | ({"reader": comm} if read_back else {})
            yield candidate(Code.TMPFS, int(mem), numbers, query, names, own)


def swap_owner(owners: Owners) -> Iterator[Checked]:
    """Find processes with one name whose memory of one category is most of the swap in use."""
    if not owners.knows("swap", "comm"):
        # That the owners of swap in use are unknown is a finding of its own.
        return
    machine = owners.snap.meta.machine
    query = Query(("comm", "category"), options=("--sort", "swap", *FIRST))
    table = owners.sums(["comm", "category"]).sort_values("swap_bytes", ascending=False, kind="stable")
    listed = owners.bytes_of("swap_bytes")
    for comm, category, swap in table[["comm", "category", "swap_bytes"]].head(1).itertuples(index=False, name=None):
        size = int(swap)
        if not owners.is_large(size, Threshold.SWAP) or size < listed / 2:
            return
        numbers = {"swap": Amount(size, "swap_bytes", query, (comm, category))}
        names = {"owner": comm, "category": category}
        if machine.swap_used:
            numbers["used"] = Amount(machine.swap_used, "swap_used")
            if size < machine.swap_used:
                names["part"] = f"{size / machine.swap_used:.0%}"
        rows = _is(owners, "comm", comm) & (owners.rows["category"] == category)
        yield candidate(Code.SWAP_OWNER, size, numbers, query, names, rows & (owners.rows["swap_bytes"].fillna(0) > 0))


def process(owners: Owners) -> Iterator[Checked]:
    """Find processes with one name that own much of memory and swap."""
    if not owners.knows("pages", "comm"):
        yield NotChecked(Lack.COMM, (Code.LARGE_PROCESS,))
        return
    swap_is_known = "swap" not in owners.snap.meta.unknown_amounts
    column, number = ("total_bytes", "total") if swap_is_known else ("mem_bytes", "mem")
    yield from _largest(owners, Code.LARGE_PROCESS, "comm", Threshold.OWNER, column=column, number=number)


def memcg(owners: Owners) -> Iterator[Checked]:
    """Find a memory cgroup other than the root with much of memory."""
    if not owners.knows("pages", "memcg"):
        yield NotChecked(Lack.MEMCG, (Code.LARGE_MEMCG,))
        return
    rows = owners.rows["memcg"].notna() & (owners.rows["memcg"] != "/")
    yield from _largest(owners, Code.LARGE_MEMCG, "memcg", Threshold.OWNER, rows, column="mem_bytes", number="mem")


def module(owners: Owners) -> Iterator[Checked]:
    """Find a kernel module with much of memory."""
    rows = owners.rows["module"] != "vmlinux"
    yield from _largest(owners, Code.LARGE_MODULE, "module", Threshold.KERNEL, rows)


def kernel_callsite(owners: Owners) -> Iterator[Checked]:
    """Find a call site that allocated much memory for the kernel."""
    rows = ~owners.rows["category"].isin(NOT_KERNEL)
    yield from _largest(owners, Code.LARGE_CALLSITE, "callsite", Threshold.KERNEL, rows, where=KERNEL)


def _largest(
    owners: Owners,
    code: Code,
    key: str,
    threshold: Threshold,
    rows: "pd.Series | None" = None,
    *,
    where: str | None = None,
    column: str = "total_bytes",
    number: str = "total",
) -> Iterator[Checked]:
    selected = pd.Series(True, index=owners.rows.index) if rows is None else rows
    query = Query((key,), where, options=FIRST)
    for name, value in _first(owners.sums([key], selected), key, column):
        if owners.is_large(value, threshold):
            numbers = {number: Amount(value, column, query, (name,)), "memory": owners.memory}
            names = {"owner": name, "whole": owners.whole}
            yield candidate(code, value, numbers, query, names, selected & _is(owners, key, name))


def _first(table: pd.DataFrame, key: str, column: str) -> Sequence[tuple[str, int]]:
    first = table.sort_values(column, ascending=False, kind="stable").head(1)
    return [(name, int(value)) for name, value in first[[key, column]].itertuples(index=False, name=None)]


def _is(owners: Owners, key: str, name: str) -> "pd.Series":
    return (owners.rows[key] == name).fillna(False).astype(bool)
