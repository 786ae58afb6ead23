# SPDX-License-Identifier: LGPL-2.1-or-later
"""Limits on how many stacks and names a text can have: each distinct one is kept in memory."""

from spo_trace.errors import SpoTraceError
from spo_trace.limits import MAX_NAMES, MAX_STACKS

__all__ = ["DistinctNames", "check_stacks"]

_HINT = "give the page_owner of one machine; if it is, please report this"


class DistinctNames:
    """Count the distinct names of a column. Their hashes are kept, which are smaller than the names."""

    def __init__(self, column: str) -> None:
        self._column = column
        self._seen: set[int] = set()

    def add(self, name: str) -> None:
        """Count a name; raise SpoTraceError if there are too many."""
        self._seen.add(hash(name))
        if len(self._seen) > MAX_NAMES:
            raise SpoTraceError(f"the text has more than {MAX_NAMES:,} distinct names ({self._column})", hint=_HINT)


def check_stacks(number: int) -> None:
    """Raise SpoTraceError if there are too many distinct stacks."""
    if number > MAX_STACKS:
        raise SpoTraceError(f"the text has more than {MAX_STACKS:,} distinct stacks", hint=_HINT)
