# SPDX-License-Identifier: LGPL-2.1-or-later
"""The summary of a difference: how much grew, shrank, and moved between memory and swap."""

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
    """Return how much of a difference (from `diff`) is growth, shrinkage, and moves between memory and swap.

    If a row's memory and swap changed in opposite directions, the smaller change counts as moved. The change of the
    row's total is growth or shrinkage.

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
