# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rules on memory and swap whose owner is unknown or not the first one."""

from collections.abc import Iterator

from spo_trace.analysis.question import Question
from spo_trace.analysis.swap_least import SHMEM, SWAP_LEAST, swap_least
from spo_trace.findings.candidate import Checked, candidate
from spo_trace.findings.codes import Code, Lack
from spo_trace.findings.finding import FIRST, Amount, NotChecked, Query, Side
from spo_trace.findings.owners import SWAP_IN, Owners
from spo_trace.findings.thresholds import LEAST_BYTES, Threshold
from spo_trace.stacks.placeholders import Placeholder

__all__ = ["SWAPPED_IN", "offline_memcg", "swapped_in", "unknown_swap", "without_owner"]

# Memory that was read from swap, and whose first owner was not kept.
SWAPPED_IN = f'symbols.str.contains("{SWAP_IN}") and not swapped'

_VERIFY_SWAP = Query(side=Side.VERIFY, options=("--only", "swap"))


def unknown_swap(owners: Owners) -> Iterator[Checked]:
    """Find swap whose owners are unknown: on kernels that do not keep them, and from before a trace."""
    meta, page_size = owners.snap.meta, owners.snap.page_size
    if meta.swap_owner.origin is None:
        if not meta.machine.swaps and "SwapTotal" not in meta.machine.meminfo:
            yield NotChecked(Lack.SWAPS, (Code.SWAP_UNKNOWN, Code.SWAP_OWNER))
        elif owners.is_large(meta.machine.swap_used, Threshold.SWAP):
            used = Amount(meta.machine.swap_used, "swap_used")
            numbers, names = _least(owners)
            evidence = next((one.query for one in numbers.values() if one.query), _VERIFY_SWAP)
            yield candidate(Code.SWAP_UNKNOWN, used.value, {"used": used, **numbers}, evidence, names)
        return
    before = meta.swap_owner.unknown_pages * page_size
    if owners.is_large(before, Threshold.SWAP):
        numbers = {"swap": Amount(before, "swap_before_trace")}
        yield candidate(Code.SWAP_BEFORE_TRACE, before, numbers, _VERIFY_SWAP)


def _least(owners: Owners) -> tuple[dict[str, Amount], dict[str, str]]:
    """Return the lower bounds of unknown swap that are not little: of tmpfs, and of the name with the largest one."""
    numbers, names = {}, {}
    by_comm, by_category = (Query((key,), options=("--sort", "swap", *FIRST)) for key in ("comm", "category"))
    bounds = swap_least(owners.snap, Question.of(["comm"]))
    found = {name: size for name, size in bounds.items() if name is not None}
    comm = max(found, key=lambda name: (found[name], str(name)), default=None)
    if comm is not None and found[comm] >= LEAST_BYTES:
        numbers["least"], names["owner"] = Amount(found[comm], SWAP_LEAST, by_comm, (comm,)), str(comm)
    # By comm, the row without a name is tmpfs and shared memory.
    shmem = bounds.get(None, 0)
    if shmem >= LEAST_BYTES:
        numbers["shmem"] = Amount(shmem, SWAP_LEAST, by_category, (SHMEM,))
    return numbers, names


def swapped_in(owners: Owners) -> Iterator[Checked]:
    """Find memory that belongs to the process that swapped it in."""
    if not owners.knows("pages", "comm"):
        yield NotChecked(Lack.COMM, (Code.SWAPPED_IN,))
        return
    query = Query(("comm",), SWAPPED_IN, options=FIRST)
    for comm, mem in owners.sums(["comm"], owners.swapped_in)[["comm", "mem_bytes"]].itertuples(index=False, name=None):
        if owners.is_large(int(mem), Threshold.SWAP):
            numbers = {"mem": Amount(int(mem), "mem_bytes", query, (comm,))}
            yield candidate(Code.SWAPPED_IN, int(mem), numbers, query, {"owner": comm})


def offline_memcg(owners: Owners) -> Iterator[Checked]:
    """Find pages that are charged to removed memory cgroups."""
    if not owners.knows("pages", "memcg_offline"):
        yield NotChecked(Lack.MEMCG, (Code.OFFLINE_MEMCG,))
        return
    mem = owners.bytes_of("mem_bytes", owners.rows["memcg_offline"].fillna(False).astype(bool))
    if owners.is_large(mem, Threshold.LEFT_BEHIND):
        numbers = {"mem": Amount(mem, "mem_bytes", Query((), "memcg_offline"))}
        yield candidate(Code.OFFLINE_MEMCG, mem, numbers, Query(("memcg", "category"), "memcg_offline"))


def without_owner(owners: Owners) -> Iterator[Checked]:
    """Find memory without an owner: from before page_owner started, or with a lost or no stack trace."""
    early = owners.bytes_of("mem_bytes", owners.rows["category"] == "early boot")
    if owners.is_large(early, Threshold.UNOWNED):
        query = Query((), 'category == "early boot"')
        numbers = {"mem": Amount(early, "mem_bytes", query), "memory": owners.memory}
        yield candidate(Code.EARLY_BOOT, early, numbers, Query(("category", "callsite")), {"whole": owners.whole})
    listed = owners.bytes_of("total_bytes")
    for placeholder, code in ((Placeholder.FAILURE, Code.LOST_STACKS), (Placeholder.DUMMY, Code.NO_STACKS)):
        size = owners.bytes_of("total_bytes", owners.rows[placeholder])
        if size >= max(LEAST_BYTES, Threshold.LOST.share * listed):
            query = Query((), f'symbols.str.contains("{placeholder}")')
            numbers = {"total": Amount(size, "total_bytes", query)}
            yield candidate(code, size, numbers, Query(("comm",), query.where, options=FIRST))
