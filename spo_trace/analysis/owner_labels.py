# SPDX-License-Identifier: LGPL-2.1-or-later
"""One-line labels of owners, for places where a whole stack does not fit."""

from collections.abc import Sequence

import pandas as pd

from spo_trace.reporters.names import shown_key
from spo_trace.schema import KEY_KNOWN
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
    known = table[KEY_KNOWN] if KEY_KNOWN in table else [True] * len(table)
    columns = [[_text(value, known=bool(one)) for value, one in zip(table[key], known, strict=True)] for key in keys]
    return [", ".join(parts) for parts in zip(*columns, strict=True)] if keys else ["all"] * len(table)


def _text(value: object, *, known: bool) -> str:
    return _innermost(value) if isinstance(value, tuple) else shown_key(value, known=known)


def _innermost(frames: tuple[str, ...]) -> str:
    names = [function_name(frame) for frame in frames]
    caller = meaning(frames).caller
    if caller not in names:
        # "owner lost": the placeholder tells why.
        return f"{caller} ({names[0]})" if names else caller
    start = names.index(caller)
    return " < ".join(names[start : start + _FUNCTIONS])
