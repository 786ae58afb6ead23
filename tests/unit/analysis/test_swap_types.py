# SPDX-License-Identifier: LGPL-2.1-or-later
"""Swap types of the rows of /proc/swaps: every case of up to four devices, compared with all possible histories."""

from itertools import combinations

import pytest

from spo_trace.analysis.swap_types import match_types


def anything(row: int, number: int | None) -> bool:
    return True


def histories(devices: int, types: list[int]) -> set[tuple[int | None, ...]]:
    """Return the types that the rows may have: rising numbers, of which those without entries are unknown (None)."""
    numbers = combinations(range(9), devices)
    return {
        tuple(number if number in types else None for number in chosen)
        for chosen in numbers
        if set(types) <= set(chosen)
    }


@pytest.mark.parametrize("devices", [0, 1, 2, 3, 4])
def test_types_are_matched_if_there_is_one_way(devices: int) -> None:
    for number in range(devices + 2):
        for types in combinations(range(5), number):
            possible = histories(devices, list(types))
            expected = next(iter(possible)) if len(possible) == 1 else None
            assert match_types(devices, types, anything) == expected, (devices, types)


def test_sizes_decide_only_if_the_order_leaves_a_choice() -> None:
    assert match_types(2, [0, 1], lambda row, number: False) == (0, 1)
    assert match_types(2, [1], lambda row, number: False) is None
    assert match_types(3, [0, 2], lambda row, number: (number is None) == (row == 1)) == (0, None, 2)


def test_more_devices_than_any_kernel_has() -> None:
    assert match_types(32, [31], anything) == (*[None] * 31, 31)
    assert match_types(33, [31], anything) is None
    # There are too many ways to try each of them.
    assert match_types(24, range(1, 31, 2), anything) is None
