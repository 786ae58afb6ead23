# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where and how often keys go back: one by one, and many at once."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spo_trace.formats.key_order import KeyOrder
from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import Record, Reject


def reported(order: KeyOrder) -> list[Reject]:
    """Return what an order reports."""
    rejects: list[Reject] = []
    order.report("page_owner", rejects.append)
    return rejects


def one_by_one(keys: list[int]) -> KeyOrder:
    """Return the order of keys; each record has ten bytes and two lines."""
    order = KeyOrder()
    for number, key in enumerate(keys):
        order.see(None, Record(b"", 0, 1))
        order.see(key, Record(b"", 10 * number, 1 + 2 * number))
    return order


def test_ascending_keys_are_not_reported() -> None:
    assert reported(one_by_one([])) == reported(one_by_one([0, 1, 7, 1 << 63, (1 << 64) - 1])) == []


def test_the_first_place_and_the_number() -> None:
    (found,) = reported(one_by_one([5, 6, 6, 7, 1]))
    assert found == Reject("page_owner", 20, 5, Reason.GOES_BACK, b"", lost=False, number=2)


@given(st.lists(st.integers(0, 9)), st.lists(st.integers(0, 12), max_size=3))
@settings(deadline=None)
def test_many_at_once_give_the_same(keys: list[int], cuts: list[int]) -> None:
    order = KeyOrder()
    borders = sorted({0, len(keys), *(cut for cut in cuts if cut < len(keys))})
    for start, end in pairwise(borders):
        places = [(10 * number, 1 + 2 * number) for number in range(start, end)]
        order.see_many(np.array(keys[start:end], np.uint64), places.__getitem__)
    assert reported(order) == reported(one_by_one(keys))
