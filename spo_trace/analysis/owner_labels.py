# SPDX-License-Identifier: LGPL-2.1-or-later
"""One-line labels of owners, for places where a whole stack does not fit."""

from collections.abc import Sequence

import pandas as pd

from spo_trace.stacks.frames import function_name
from spo_trace.stacks.meaning import meaning

__all__ = ["owner_labels"]

_FUNCTIONS = 3


def owner_labels(table: pd.DataFrame, keys: Sequence[str]) -> list[str]:
    """Return the keys of each row as one line; for a stack, the caller and the functions that called it.

    >>> stack = ("alloc_pages_mpol+0x98/0x157", "pte_alloc_one+0x16/0x2d", "__pte_alloc+0x1d/0xd0")
    >>> owner_labels(pd.DataFrame({"comm": ["dd"], "stack": [stack]}), ["comm", "stack"])
    ['dd, pte_alloc_one < __pte_alloc']
    """
    columns = [[_text(value) for value in table[key]] for key in keys]
    return [", ".join(parts) for parts in zip(*columns, strict=True)] if keys else ["all"] * len(table)


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return _innermost(value)
    return "-" if pd.isna(value) else str(value) or '""'  # type: ignore[call-overload]


def _innermost(frames: tuple[str, ...]) -> str:
    names = [function_name(frame) for frame in frames]
    caller = meaning(frames).caller
    if caller not in names:
        # "owner lost": the placeholder tells why.
        return f"{caller} ({names[0]})" if names else caller
    start = names.index(caller)
    return " < ".join(names[start : start + _FUNCTIONS])
