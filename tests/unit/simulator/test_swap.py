# SPDX-License-Identifier: LGPL-2.1-or-later
"""Swap devices: offsets from 1, types in the upper bits, priorities, aligned runs, reuse."""

from spo_trace.simulator.scenario import SwapSpec
from spo_trace.simulator.swap import SwapDevice, SwapSpace


def device(pages: int) -> SwapDevice:
    return SwapDevice(SwapSpec(name="/dev/vda", size=pages), 0)


def test_offsets_start_after_the_header() -> None:
    small = device(4)
    assert [small.take(1) for _ in range(4)] == [range(1, 2), range(2, 3), range(3, 4), None]
    assert (small.used, small.nr_slots) == (3, 3)


def test_a_run_is_aligned_and_skipped_slots_are_used_later() -> None:
    disk = device(16)
    assert disk.take(1) == range(1, 2)
    assert disk.take(8) == range(8, 16)
    assert [disk.take(1) for _ in range(7)] == [*(range(i, i + 1) for i in range(2, 8)), None]


def test_freed_slots_are_reused_at_the_end() -> None:
    disk = device(4)
    for _ in range(3):
        disk.take(1)
    disk.give_back(2)
    assert disk.used == 2
    assert disk.take(1) == range(2, 3)


def test_the_higher_priority_is_used_first_and_its_type_is_in_the_entry() -> None:
    space = SwapSpace([SwapSpec(name="a", size=3, priority=1), SwapSpec(name="b", size=3, priority=2)])
    values = [space.take(1) for _ in range(5)]
    assert values == [[1 << 58 | 1], [1 << 58 | 2], [1], [2], None]
    assert space.nr_free == 0
