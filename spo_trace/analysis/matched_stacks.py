# SPDX-License-Identifier: LGPL-2.1-or-later
"""The pages whose stack is on both sides of a difference: how useful a comparison by stack is."""

from typing import NamedTuple, Protocol

import pandas as pd

from spo_trace.analysis.stack_match import STACK_COLUMNS

__all__ = ["Matched", "Paged", "matched_pages"]


class Paged(Protocol):
    """One side of a difference: a snapshot, or the snapshots of a fleet that one side has."""

    @property
    def page_size(self) -> int:
        """Return the bytes of a base page."""


class Matched(NamedTuple):
    """Count the base pages of both sides: those whose stack is `in_both`, and `all` of them."""

    in_both: int
    all: int


def matched_pages(table: pd.DataFrame, a: Paged, b: Paged) -> Matched | None:
    """Return how many of both sides' pages have a stack that is in both; None without such a key or pages.

    `table`: a difference (from `diff`) whose keys include matched stacks; other keys are ignored.
    """
    keys = [key for key in STACK_COLUMNS.values() if key in table.columns]
    if not keys:
        return None
    pages = pd.DataFrame({"a": table["total_bytes_a"] // a.page_size, "b": table["total_bytes_b"] // b.page_size})
    by_stack = pages.groupby([table[key] for key in keys], dropna=False).sum()
    total = int(by_stack.to_numpy().sum())
    in_both = by_stack[(by_stack > 0).all(axis=1)]
    return Matched(int(in_both.to_numpy().sum()), total) if total else None
