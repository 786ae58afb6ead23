# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which swap device has which swap type.

/proc/swaps lists the devices in the order of their types (indexes of swap_info[], mm/swapfile.c), without the numbers.
After a swapoff, its type is unused until the next swapon, so row n is type n only if no lower type is unused.
"""

from collections.abc import Callable, Sequence
from functools import cache

from spo_trace.formats.swp_entry import TYPES

__all__ = ["match_types"]

_Match = tuple[int | None, ...]


def match_types(devices: int, types: Sequence[int], fits: Callable[[int, int | None], bool]) -> _Match | None:
    """Return the type of each row of /proc/swaps, None if the entries do not determine which row has which type.

    `devices`: number of rows. `types`: the types of the swap entries, ascending. `fits` returns whether a row can have
    a type according to its size, or no entries (None); it is used only if the order of the types leaves a choice. A row
    without entries has no type (None) in the result.

    >>> match_types(3, [0, 1], lambda row, number: True)
    (0, 1, None)
    >>> match_types(2, [1], lambda row, number: True)  # row 0 if type 0 is unused, else row 1
    >>> match_types(2, [1], lambda row, number: (row == 1) == (number == 1))
    (None, 1)
    """
    if devices > TYPES:
        return None
    for possible in (_any, fits):
        found = _matches(devices, tuple(types), possible)
        if len(found) == 1:
            return found[0]
    return None


def _any(row: int, number: int | None) -> bool:
    return True


# Up to two ways to give the types to the rows.
def _matches(devices: int, types: tuple[int, ...], possible: Callable[[int, int | None], bool]) -> list[_Match]:
    # `given`: number of types that the rows before `row` have; `least`: the lowest type that is left for `row`.
    @cache
    def ways(row: int, given: int, least: int) -> list[_Match]:
        if row == devices:
            return [()] if given == len(types) else []
        found: list[_Match] = []
        following = types[given] if given < len(types) else None
        if least < (TYPES if following is None else following) and possible(row, None):
            found += [(None, *rest) for rest in ways(row + 1, given, least + 1)]
        if following is not None and least <= following and possible(row, following):
            found += [(following, *rest) for rest in ways(row + 1, given + 1, following + 1)]
        return found[:2]

    return ways(0, 0, 0)
