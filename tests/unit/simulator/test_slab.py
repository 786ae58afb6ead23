# SPDX-License-Identifier: LGPL-2.1-or-later
"""Slab: pages are allocated and freed with the objects, in smaller slabs if there is no larger block."""

from pathlib import Path

import pytest

from spo_trace.simulator import load_scenario
from spo_trace.simulator.machine import Machine
from spo_trace.simulator.objects import Page, Process
from spo_trace.simulator.printer import PAGE_FLAGS

SCENARIO = """\
seed = 1
[machine]
spanned_pages = 1024
reserved = []
early_pages = 0
min_free_kib = 40
[[step]]
do = "snapshot"
name = "end"
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    path = tmp_path / "slab.toml"
    path.write_text(SCENARIO)
    return Machine(load_scenario(path))


def slabs(machine: Machine) -> list[Page]:
    return list(machine.pages.values())


def test_slabs_follow_the_number_of_objects(machine: Machine) -> None:
    # GIVEN a cache of 14 objects in a slab of order 1
    cache = machine.caches["xa-node"]
    counts = []
    for change in (1, 13, 1, -1, -13, -1):
        if change > 0:
            cache.grow(change, machine.kswapd)
        else:
            cache.shrink(-change)
        counts.append(len(slabs(machine)))
    assert counts == [1, 1, 2, 1, 1, 0]


def test_without_a_larger_block_slabs_are_single_pages(machine: Machine) -> None:
    # GIVEN memory whose free pages have no free neighbour
    taken = [machine.buddy.alloc(0, "Movable") for _ in range(machine.buddy.managed_pages)]
    for pfn in taken:
        if pfn is not None and pfn % 2 == 0:
            machine.buddy.free(pfn, 0)
    # WHEN 14 objects are allocated
    machine.caches["xa-node"].grow(14, Process(7, 7, b"dd", machine.kswapd.memcg, 0))
    # THEN two pages with 7 objects each are allocated, and neither is a head page
    assert [(page.order, page.flags & PAGE_FLAGS["head"]) for page in slabs(machine)] == [(0, 0), (0, 0)]
