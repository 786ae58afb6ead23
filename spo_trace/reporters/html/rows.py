# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rows for the scripts of the HTML reports: each text once, and numbers that refer to it."""

from collections.abc import Hashable, Sequence
from typing import Any

import pandas as pd

from spo_trace.printable import printable
from spo_trace.reporters.names import name_of
from spo_trace.stacks.plumbing import plumbing

__all__ = ["OF_STACK", "STACK_KEYS", "Numbers", "filled", "shown", "stack_rows"]

# Keys that depend on the stack alone, shown beside it.
OF_STACK = ("category", "caller", "callsite", "module")

# The keys of the attribution or difference that the table of stacks needs.
STACK_KEYS = ("stack", *OF_STACK, "comm")


class Numbers:
    """Number values in the order of their first appearance."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}

    def of(self, value: Hashable) -> int:
        """Return the number of `value`."""
        return self._numbers.setdefault(value, len(self._numbers))

    def values(self) -> list[Any]:
        """Return the values by their numbers."""
        return list(self._numbers)


def shown(value: Any, what: str = "comm", *, known: bool = False) -> str:
    """Return a name as the page shows it, as `name_of` does."""
    return printable(name_of(value, what, known=known))


def filled(table: pd.DataFrame, amounts: Sequence[str]) -> pd.DataFrame:
    """Return `table` with 0 for unknown amounts, which the page lists separately."""
    return table.assign(**{name: table[name].fillna(0).astype("int64") for name in amounts})


def stack_rows(table: pd.DataFrame, stack_key: str, amounts: Sequence[str], comms: Numbers) -> dict[str, Any]:
    """Return frames, stacks (by column) and rows [stack, comm, *amounts] of `table`.

    `table` has `stack_key` (frames, innermost first), comm, the keys OF_STACK and the columns `amounts`.
    """
    frames, stacks = Numbers(), Numbers()
    keys = [stack_key, *OF_STACK]
    rows = [
        [stacks.of(row[: len(keys)]), comms.of(shown(row[len(keys)])), *row[len(keys) + 1 :]]
        for row in filled(table, amounts)[[*keys, "comm", *amounts]].itertuples(index=False, name=None)
    ]
    split = [[frames.of(printable(frame)) for frame in stack[0]] for stack in stacks.values()]
    of_stack = {key: [shown(stack[at], key) for stack in stacks.values()] for at, key in enumerate(OF_STACK, 1)}
    # How many frames at both ends are hidden at first.
    hidden = [plumbing(stack[0]) for stack in stacks.values()]
    return {"frames": frames.values(), "stacks": {"frames": split, **of_stack, "plumbing": hidden}, "rows": rows}
