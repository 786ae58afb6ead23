# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a difference comes to: how much grew, how much shrank, how much moved between memory and swap."""

from typing import NamedTuple

import pandas as pd

__all__ = ["Changes", "changes"]


class Changes(NamedTuple):
    """Hold the changes of all rows, in bytes; grown − shrunk is the change of the total.

    `moved` is None where memory or swap is left out of the difference.
    """

    grown: int
    shrunk: int
    moved: int | None


def changes(table: pd.DataFrame) -> Changes:
    """Return how much of a difference (of `diff`) is growth, shrinking, and moves between memory and swap.

    A row moved the smaller of its two changes if memory and swap changed in opposite directions; the rest of its
    change is growth or shrinking.

    >>> spo.changes(spo.diff("before.spo", "now.spo"))
    Changes(grown=15831040, shrunk=2097152, moved=4620288)
    """
    total = table["total_bytes_delta"]
    grown, shrunk = int(total.clip(lower=0).sum()), int(-total.clip(upper=0).sum())
    parts = table[["mem_bytes_delta", "swap_bytes_delta"]]
    if parts.isna().any(axis=None):
        return Changes(grown, shrunk, None)
    mem, swap = (parts[name].astype("int64") for name in parts)
    opposite = (mem > 0) & (swap < 0) | (mem < 0) & (swap > 0)
    return Changes(grown, shrunk, int(parts.abs().min(axis=1)[opposite].sum()))
