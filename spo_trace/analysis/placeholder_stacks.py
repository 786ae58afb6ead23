# SPDX-License-Identifier: LGPL-2.1-or-later
"""How many pages have placeholder stacks."""

import numpy as np

from spo_trace.analysis.row_pages import base_pages_of, size_columns
from spo_trace.snapshots.reader import Snapshot
from spo_trace.stacks.placeholders import Placeholder, placeholder_of

__all__ = ["placeholder_pages"]


def placeholder_pages(snap: Snapshot) -> dict[Placeholder, int]:
    """Return the base pages in memory and swap for each placeholder stack that has any."""
    stacks = snap.stacks
    found = [placeholder_of(frames) for frames in stacks["frames"]]
    if not any(found):
        return {}
    # Per stack: the number of its placeholder, or one more than the last for a real stack.
    kinds = list(Placeholder)
    kind_of = np.full(int(stacks["stack_id"].max()) + 1, len(kinds), np.intp)
    kind_of[stacks["stack_id"].to_numpy(np.intp)] = [len(kinds) if one is None else kinds.index(one) for one in found]
    pages = np.zeros(len(kinds) + 1, np.int64)
    for rows in snap.dataframes("pages", [*size_columns(snap), "stack_id"]):
        sizes = base_pages_of(rows, snap).to_numpy(np.int64, na_value=0)
        np.add.at(pages, kind_of[rows["stack_id"].to_numpy(np.intp)], sizes)
    for rows in snap.dataframes("swap", ["stack_id"]):
        pages += np.bincount(kind_of[rows["stack_id"].to_numpy(np.intp)], minlength=len(pages))
    return {one: int(count) for one, count in zip(kinds, pages[:-1], strict=True) if count}
