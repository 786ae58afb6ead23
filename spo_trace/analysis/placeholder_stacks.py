# SPDX-License-Identifier: LGPL-2.1-or-later
"""How many pages have placeholder stacks."""

from spo_trace.analysis.row_pages import base_pages_of, size_columns
from spo_trace.snapshots.reader import Snapshot
from spo_trace.stacks.placeholders import Placeholder, placeholder_of

__all__ = ["placeholder_pages"]


def placeholder_pages(snap: Snapshot) -> dict[Placeholder, int]:
    """Return the base pages in memory and swap for each placeholder stack that has any."""
    stacks = snap.stacks
    found = dict(zip(stacks["stack_id"], map(placeholder_of, stacks["frames"]), strict=True))
    pages: dict[Placeholder, int] = {}
    for one in Placeholder:
        ids = [number for number, placeholder in found.items() if placeholder is one]
        if ids and (count := _pages_of(snap, ids)):
            pages[one] = count
    return pages


def _pages_of(snap: Snapshot, stack_ids: list[int]) -> int:
    pages = 0
    for batch in snap.dataframes("pages", [*size_columns(snap), "stack_id"]):
        pages += int(base_pages_of(batch, snap)[batch["stack_id"].isin(stack_ids)].sum())
    for batch in snap.dataframes("swap", ["stack_id"]):
        pages += int(batch["stack_id"].isin(stack_ids).sum())
    return pages
