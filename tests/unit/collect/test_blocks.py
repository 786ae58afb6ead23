# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which blocks of base pages later ones cover again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spo_trace.collect.blocks import Blocks, later_overlaps


def blocks_of(spans: list[tuple[int, int]]) -> Blocks:
    """Return blocks of these starts and orders."""
    starts = np.array([start for start, _ in spans], np.uint64)
    return Blocks(starts, np.array([order for _, order in spans], np.uint8), np.arange(len(spans)))


@pytest.mark.parametrize(
    ("spans", "overlapped", "repeated"),
    [
        ([], [], []),
        ([(8, 3)], [0], [0]),
        ([(8, 3), (16, 0)], [0, 0], [0, 0]),
        ([(8, 0), (8, 0)], [1, 0], [1, 0]),
        ([(8, 3), (8, 0)], [1, 0], [1, 0]),
        ([(8, 3), (15, 0)], [1, 0], [0, 0]),
        ([(15, 0), (8, 3)], [1, 0], [0, 0]),
        ([(1 << 63, 22), (0, 22), ((1 << 63) + 5, 0)], [1, 0, 0], [0, 0, 0]),
        # A vendor's kernel printed a PFN that is not aligned to its order.
        ([(5, 3), (5, 0)], [1, 0], [1, 0]),
    ],
)
def test_examples(spans: list[tuple[int, int]], overlapped: list[int], repeated: list[int]) -> None:
    found = later_overlaps(blocks_of(spans))
    assert [mask.astype(int).tolist() for mask in found] == [overlapped, repeated]


ALIGNED = st.tuples(st.integers(0, 15), st.integers(0, 4)).map(lambda item: (item[0] >> item[1] << item[1], item[1]))


@given(st.lists(ALIGNED, max_size=12))
@settings(deadline=None)
def test_as_page_by_page(spans: list[tuple[int, int]]) -> None:
    pages = [set(range(start, start + (1 << order))) for start, order in spans]
    overlapped, repeated = later_overlaps(blocks_of(spans))
    assert overlapped.tolist() == [any(mine & other for other in pages[i + 1 :]) for i, mine in enumerate(pages)]
    assert repeated.tolist() == [
        any(start == other for other, _ in spans[i + 1 :]) for i, (start, _) in enumerate(spans)
    ]


@given(st.lists(ALIGNED, max_size=12), st.integers(1, 5))
@settings(deadline=None)
def test_parts_are_disjoint_and_complete(spans: list[tuple[int, int]], parts: int) -> None:
    shifted = blocks_of([(start << 20, order + 18) for start, order in spans])
    rows = [row for number in range(parts) for row in shifted.part(number, parts).row.tolist()]
    assert sorted(rows) == list(range(len(spans)))
    # Blocks that overlap are in one part.
    whole = later_overlaps(shifted)[0]
    found = np.zeros(len(spans), np.bool_)
    for number in range(parts):
        part = shifted.part(number, parts)
        found[part.row] = later_overlaps(part)[0]
    assert found.tolist() == whole.tolist()
