# SPDX-License-Identifier: LGPL-2.1-or-later
"""The buddy allocator: blocks are aligned, do not overlap, and merge again when freed."""

import random

from hypothesis import given
from hypothesis import strategies as st

from spo_trace.simulator.buddy import Buddy, PerCpuPages

SPANNED = 5000
RESERVED = [(0, 7), (1024, 1100)]
MANAGED = SPANNED - 7 - 76


def free_blocks(buddy: Buddy) -> list[tuple[int, int]]:
    areas = buddy.free_area.values()
    return sorted((pfn, order) for area in areas for order, pfns in enumerate(area) for pfn in pfns)


def test_reserved_frames_are_never_free() -> None:
    buddy = Buddy(SPANNED, RESERVED)
    frames = {pfn + i for pfn, order in free_blocks(buddy) for i in range(1 << order)}
    assert frames == set(range(7, 1024)) | set(range(1100, SPANNED))
    assert buddy.managed_pages == buddy.nr_free == MANAGED


@given(st.lists(st.tuples(st.integers(0, 10), st.sampled_from(["Movable", "Unmovable"])), max_size=60), st.randoms())
def test_blocks_are_aligned_disjoint_and_merge_again(wanted: list[tuple[int, str]], rng: random.Random) -> None:
    # GIVEN blocks of random orders
    buddy = Buddy(SPANNED, RESERVED)
    blocks = [(buddy.alloc(order, kind), order) for order, kind in wanted]
    taken = [(pfn, order) for pfn, order in blocks if pfn is not None]
    # THEN they are aligned, disjoint and counted
    assert all(pfn % (1 << order) == 0 for pfn, order in taken)
    frames = [pfn + i for pfn, order in taken for i in range(1 << order)]
    assert len(frames) == len(set(frames)) == MANAGED - buddy.nr_free
    # WHEN all are freed, in any order
    rng.shuffle(taken)
    for pfn, order in taken:
        buddy.free(pfn, order)
    # THEN everything is free, in blocks that cannot be merged further within their pageblock type
    assert buddy.nr_free == MANAGED
    for area in buddy.free_area.values():
        for order in range(9):
            assert not [pfn for pfn in area[order] if pfn ^ 1 << order in area[order]]


def test_without_free_blocks_none_is_returned() -> None:
    buddy = Buddy(512, [])
    assert buddy.alloc(9, "Movable") == 0
    assert buddy.alloc(0, "Movable") is None


def test_unmovable_pages_claim_a_whole_pageblock() -> None:
    buddy = Buddy(SPANNED, [])
    pfn = buddy.alloc(0, "Unmovable")
    assert pfn is not None
    assert buddy.block_type[pfn >> 9] == "Unmovable"


def test_per_cpu_pages_are_not_free_and_at_most_high() -> None:
    # GIVEN 100 pages taken through a per-CPU list of up to 20
    buddy = Buddy(SPANNED, [])
    pcp = PerCpuPages(buddy, high=20, batch=7)
    pages = [pcp.alloc("Movable") for _ in range(100)]
    assert None not in pages
    assert buddy.nr_free + pcp.count + 100 == SPANNED
    # WHEN they are freed
    for pfn in pages:
        assert pfn is not None
        pcp.free(pfn)
    # THEN the list keeps at most 20 pages until it is drained
    assert pcp.count <= 20
    assert buddy.nr_free + pcp.count == SPANNED
    pcp.drain()
    assert (pcp.count, buddy.nr_free) == (0, SPANNED)
