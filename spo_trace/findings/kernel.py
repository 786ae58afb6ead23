# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rules on the kernel's own memory: page tables, kernel stacks, unmovable pages, the collector."""

from collections.abc import Iterator

from spo_trace.findings.candidate import Checked, candidate
from spo_trace.findings.codes import Code, Lack
from spo_trace.findings.finding import FIRST, Amount, NotChecked, Query
from spo_trace.findings.owners import Owners
from spo_trace.findings.thresholds import Threshold

__all__ = ["collector", "kernel_stacks", "page_tables", "unmovable"]

# With less memory than a few pageblocks, the kernel does not group pages by mobility: all have the type Unmovable
# (page_group_by_mobility_disabled, mm/page_alloc.c). Therefore the condition also checks the GFP flags.
_MOVABLE = "MOVABLE"
_UNMOVABLE = (
    f'migratetype == "Unmovable" and pageblock_migratetype == "{{}}" and not gfp_flags.str.contains("{_MOVABLE}")'
)


def page_tables(owners: Owners) -> Iterator[Checked]:
    """Find that page tables take much memory."""
    yield from _category(owners, Code.PAGE_TABLES, "page table")


def kernel_stacks(owners: Owners) -> Iterator[Checked]:
    """Find that kernel stacks take much memory."""
    yield from _category(owners, Code.KERNEL_STACKS, "kernel stack")


def _category(owners: Owners, code: Code, category: str) -> Iterator[Checked]:
    evidence = Query(("comm",), f'category == "{category}"')
    size = owners.bytes_of("mem_bytes", owners.rows["category"] == category)
    if owners.is_large(size, Threshold.KERNEL_SHARE):
        numbers = {"mem": Amount(size, "mem_bytes", Query((), evidence.where)), "memory": owners.memory}
        yield candidate(code, size, numbers, evidence, {"whole": owners.whole})


def unmovable(owners: Owners) -> Iterator[Checked]:
    """Find unmovable pages in movable and CMA pageblocks."""
    codes = {"Movable": Code.UNMOVABLE_IN_MOVABLE, "CMA": Code.UNMOVABLE_IN_CMA}
    if not owners.knows("pages", "migratetype", "pageblock_migratetype", "gfp_flags"):
        yield NotChecked(Lack.MIGRATETYPE, tuple(codes.values()))
        return
    if not (owners.rows["migratetype"] == "Movable").any():
        return
    stays = (owners.rows["migratetype"] == "Unmovable") & ~owners.rows["gfp_flags"].str.contains(_MOVABLE)
    for block, code in codes.items():
        found = stays & (owners.rows["pageblock_migratetype"] == block)
        size = owners.bytes_of("mem_bytes", found.fillna(False))
        if _is_much(owners, code, size):
            where = _UNMOVABLE.format(block)
            numbers = {"mem": Amount(size, "mem_bytes", Query((), where))}
            yield candidate(code, size, numbers, Query(("callsite",), where, options=FIRST))


# One page is enough to make an allocation from CMA fail.
def _is_much(owners: Owners, code: Code, size: int) -> bool:
    return size > 0 and (code is Code.UNMOVABLE_IN_CMA or owners.is_large(size, Threshold.UNMOVABLE))


def collector(owners: Owners) -> Iterator[Checked]:
    """Find that the collector took much memory."""
    cost = owners.snap.meta.cost
    if cost is None or cost.own_pages is None:
        yield NotChecked(Lack.COST, (Code.COLLECTOR,))
        return
    own = cost.own_pages * owners.snap.page_size
    if owners.is_large(own, Threshold.COLLECTOR):
        yield candidate(Code.COLLECTOR, own, {"own": Amount(own, "own_pages")}, Query(("comm", "tgid")))
