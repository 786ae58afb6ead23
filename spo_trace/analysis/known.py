# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a snapshot tells at all: an amount that it does not tell is unknown, not 0."""

import pandas as pd

from spo_trace.snapshots.reader import Snapshot

__all__ = ["not_told", "unknown_amounts"]


def unknown_amounts(snap: Snapshot) -> tuple[str, ...]:
    """Return which of `mem` and `swap` the snapshot has no owners of: without page_owner, without swap_page_owner."""
    told = {"mem": "page_owner" in snap.meta["files"], "swap": snap.meta["swap_owner"]["origin"] is not None}
    return tuple(name for name, is_told in told.items() if not is_told)


def not_told(rows: pd.DataFrame) -> pd.Series:
    """Return a column of whole numbers for `rows`, all of them missing (NA)."""
    return pd.Series(pd.NA, index=rows.index, dtype="Int64")
