# SPDX-License-Identifier: LGPL-2.1-or-later
"""The share of pages whose stack is in both of two snapshots: how useful a comparison by stack is."""

import pandas as pd

from spo_trace.snapshots.reader import Snapshot

__all__ = ["STACK_TEXTS", "matched_share"]

# The keys that are whole stacks.
STACK_TEXTS = ("stack", "symbols")


def matched_share(table: pd.DataFrame, a: Snapshot, b: Snapshot) -> float | None:
    """Return the share (0 to 1) of both snapshots' pages whose stack is in both; None without such a key or pages.

    `table`: a difference (from `diff`) whose keys include stack or symbols; other keys are ignored.
    """
    keys = [key for key in STACK_TEXTS if key in table.columns]
    if not keys:
        return None
    pages = pd.DataFrame({"a": table["total_bytes_a"] / a.page_size, "b": table["total_bytes_b"] / b.page_size})
    by_stack = pages.groupby([table[key] for key in keys], dropna=False).sum()
    total = float(by_stack.to_numpy().sum())
    in_both = by_stack[(by_stack > 0).all(axis=1)]
    return float(in_both.to_numpy().sum()) / total if total else None
