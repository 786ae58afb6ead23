# SPDX-License-Identifier: LGPL-2.1-or-later
"""Placeholder stacks: what page_owner records when it has no stack trace of the allocation."""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from spo_trace.analysis.row_pages import base_pages_of, size_columns
from spo_trace.snapshots.reader import Snapshot
from spo_trace.stacks.frames import function_name

__all__ = ["Placeholder", "placeholder_of", "placeholder_pages"]


class Placeholder(StrEnum):
    """Functions whose own stack replaces that of the allocation (mm/page_owner.c)."""

    # The page was allocated before page_owner started.
    EARLY = "register_early_stack"
    # page_owner allocated the page for itself, or the kernel cannot take stack traces.
    DUMMY = "register_dummy_stack"
    # The stack depot was full or out of memory.
    FAILURE = "register_failure_stack"


# create_dummy_stack() is the innermost frame if the compiler did not inline it.
_INNERMOST = 2


def placeholder_of(frames: Sequence[str]) -> Placeholder | None:
    """Return the placeholder of a stack (innermost frame first), None if the stack is real.

    >>> placeholder_of(["register_early_stack+0x28/0x43", "init_page_owner+0x33/0x24d"])
    <Placeholder.EARLY: 'register_early_stack'>
    """
    names = [function_name(frame) for frame in frames[:_INNERMOST]]
    return next((one for one in Placeholder if one in names), None)


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
