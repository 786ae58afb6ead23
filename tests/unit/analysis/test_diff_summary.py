# SPDX-License-Identifier: LGPL-2.1-or-later
"""How much grew, shrank and moved: hand-made rows, and identities on random ones."""

import random

import pandas as pd
import pytest

from spo_trace.analysis.diff_summary import Changes, changes


def difference(rows: list[tuple[int, int]]) -> pd.DataFrame:
    """Return the columns of a difference that matter, from rows of changes of memory and of swap."""
    table = pd.DataFrame(rows, columns=["mem_bytes_delta", "swap_bytes_delta"], dtype="int64")
    return table.assign(total_bytes_delta=table.sum(axis=1))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], (0, 0, 0)),
        ([(5, 0)], (5, 0, 0)),
        ([(-5, 0)], (0, 5, 0)),
        ([(5, 2)], (7, 0, 0)),
        ([(-5, -2)], (0, 7, 0)),
        # A pure move, one that also grew, one that also shrank, and one back into memory.
        ([(-5, 5)], (0, 0, 5)),
        ([(-5, 7)], (2, 0, 5)),
        ([(-5, 3)], (0, 2, 3)),
        ([(4, -6)], (0, 2, 4)),
        ([(-5, 5), (5, -5), (3, 0), (0, -1)], (3, 1, 10)),
    ],
)
def test_changes(rows: list[tuple[int, int]], expected: tuple[int, int, int]) -> None:
    assert changes(difference(rows)) == Changes(*expected)


@pytest.mark.parametrize("seed", range(20))
def test_identities_hold(seed: int) -> None:
    chosen = random.Random(seed)
    rows = [(chosen.randint(-9, 9) << 40, chosen.randint(-9, 9) << 40) for _ in range(200)]
    found = changes(difference(rows))
    # THEN growth minus shrinkage is the change of the total
    assert found.grown - found.shrunk == sum(mem + swap for mem, swap in rows)
    # AND it equals an independent computation from the increases and decreases of each owner
    moved = sum(min(max(mem, swap), -min(mem, swap)) for mem, swap in rows if min(mem, swap) < 0 < max(mem, swap))
    came = sum(max(part, 0) for row in rows for part in row)
    went = sum(max(-part, 0) for row in rows for part in row)
    assert found == Changes(came - moved, went - moved, moved)
    # AND it does not depend on the order of the two snapshots
    back = changes(difference([(-mem, -swap) for mem, swap in rows]))
    assert back == Changes(found.shrunk, found.grown, found.moved)


def test_moves_are_unknown_if_swap_is_left_out() -> None:
    table = difference([(5, 0), (-3, 0)]).assign(swap_bytes_delta=pd.array([pd.NA, pd.NA], dtype="Int64"))
    assert changes(table) == Changes(5, 3, None)
