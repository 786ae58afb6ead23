# SPDX-License-Identifier: LGPL-2.1-or-later
"""The files of one stage are consistent, as on an idle machine."""

import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from spo_trace.simulator import load_scenario

DEBUG = "sys/kernel/debug"
RFC_STAGES = ("0-initial", "1-dd256", "2-swapped", "3-back")
STAGES = [
    *[(scenario, stage) for scenario in ("rfc-before", "rfc-after") for stage in RFC_STAGES],
    *[("quick", stage) for stage in ("0-start", "1-leak", "2-swapped", "3-back")],
]
EARLY = b" register_early_stack+0x28/0x43\n"

RECORD = re.compile(
    rb"Page allocated via order (\d+), mask \S+, pid \d+, tgid \d+ \(.{0,15}?\), ts (\d+) ns(?: \(swapped\))?\n"
    rb"PFN 0x([0-9a-f]+) type \w+ Block (\d+) type \w+ Flags \S+\n((?: \S.*\n)+)(?:[PSC].*\n)*\n"
)
RECORD_DOTALL = re.compile(RECORD.pattern.replace(rb".*\n", rb"[^\n]*\n"), re.DOTALL)
SWAP_RECORD = re.compile(
    rb"Page allocated via pid \d+, tgid \d+ \(.{0,15}?\), ts \d+ ns\nSWP entry 0x([0-9a-f]+)\n((?: [^\n]+\n)+)\n",
    re.DOTALL,
)

Play = Callable[[str], Path]


@cache
def pages(stage: Path) -> list[tuple[int, int, int, bytes]]:
    """Return (pfn, order, block, stack) of each record; fail on any other text."""
    text = (stage / DEBUG / "page_owner").read_bytes()
    matches = list(RECORD_DOTALL.finditer(text))
    assert sum(len(match[0]) for match in matches) == len(text)
    return [(int(m[3], 16), int(m[1]), int(m[4]), m[5]) for m in matches]


@cache
def entries(stage: Path) -> list[tuple[int, bytes]]:
    path = stage / DEBUG / "swap_page_owner"
    text = path.read_bytes() if path.exists() else b""
    matches = list(SWAP_RECORD.finditer(text))
    assert sum(len(match[0]) for match in matches) == len(text)
    return [(int(m[1], 16), m[2]) for m in matches]


def meminfo(stage: Path) -> dict[str, int]:
    lines = (stage / "proc/meminfo").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) // 4 for line in lines}


def swaps(stage: Path) -> list[list[str]]:
    return [line.split() for line in (stage / "proc/swaps").read_text().splitlines()[1:]]


@pytest.fixture(params=STAGES, ids=lambda stage: "-".join(stage))
def stage(request: pytest.FixtureRequest, play: Play) -> Path:
    scenario, name = request.param
    path: Path = play(scenario) / name
    return path


def test_listed_unlisted_and_free_pages_add_up_to_all_memory(stage: Path, scenarios: Path) -> None:
    # GIVEN the pages that page_owner lists, those on per-CPU lists and those without an owner
    listed = sum(1 << order for _, order, _, _ in pages(stage))
    per_cpu = sum(map(int, re.findall(r"count: +(\d+)", (stage / "proc/zoneinfo").read_text())))
    scenario = next(path for path in scenarios.glob("*.toml") if str(stage.parent.name).startswith(path.stem))
    unowned = load_scenario(scenario).machine.unowned_pages
    # THEN they add up to the memory that is not free
    memory = meminfo(stage)
    assert listed + per_cpu + unowned == memory["MemTotal"] - memory["MemFree"]


def test_pages_are_aligned_and_do_not_overlap(stage: Path) -> None:
    end = 0
    for pfn, order, block, _ in pages(stage):
        assert pfn >= end
        assert pfn % (1 << order) == 0
        assert block == pfn >> 9
        end = pfn + (1 << order)


def test_only_large_pages_have_the_head_flag(stage: Path) -> None:
    text = (stage / DEBUG / "page_owner").read_bytes()
    small = [m[0] for m in RECORD_DOTALL.finditer(text) if m[1] == b"0"]
    assert small
    assert not [record for record in small if b"|head|" in record or b"(head|" in record]


def test_swap_entries_are_unique_and_as_many_as_used_in_swaps(stage: Path) -> None:
    values = [value for value, _ in entries(stage)]
    assert values == sorted(set(values))
    per_type = Counter(value >> 58 for value in values)
    used = [int(row[3]) // 4 for row in swaps(stage)]
    if (stage / DEBUG / "swap_page_owner").exists():
        assert [per_type[swp_type] for swp_type in range(len(used))] == used
    memory = meminfo(stage)
    assert memory["SwapTotal"] - memory["SwapFree"] == sum(used)


def test_swap_offsets_lie_inside_their_device(stage: Path) -> None:
    sizes = [int(row[2]) // 4 for row in swaps(stage)]
    for value, _ in entries(stage):
        assert 1 <= value & (1 << 58) - 1 <= sizes[value >> 58]


def test_nr_base_pages_are_the_sums_by_stack(stage: Path) -> None:
    # GIVEN the pages in memory and the records in swap, by stack; early pages are not counted
    sums: Counter[bytes] = Counter()
    for _, order, _, stack in pages(stage):
        if not stack.startswith(EARLY):
            sums[stack] += 1 << order
    for _, stack in entries(stage):
        sums[stack] += 1
    # THEN show_stacks has the same numbers, and show_handles has them by handle
    debug = stage / DEBUG / "page_owner_stacks"
    shown = re.findall(rb"((?: .+\n)+)nr_base_pages: (\d+)\n\n", (debug / "show_stacks").read_bytes())
    assert {stack: int(count) for stack, count in shown} == dict(sums)
    handles = re.findall(rb"handle: (\d+)\nnr_base_pages: (\d+)\n\n", (debug / "show_handles").read_bytes())
    both = re.findall(rb"((?: .+\n)+)handle: (\d+)\n\n", (debug / "show_stacks_handles").read_bytes())
    texts = {handle: stack for stack, handle in both}
    assert {texts[handle]: int(count) for handle, count in handles} == dict(sums)


def test_meminfo_counts_what_page_owner_lists(stage: Path) -> None:
    memory = meminfo(stage)
    sums: Counter[str] = Counter()
    for _, order, _, stack in pages(stage):
        for function, name in ((b"new_slab+", "Slab"), (b"pte_alloc_one+", "PageTables"), (b"pcpu_create", "Percpu")):
            if function in stack:
                sums[name] += 1 << order
                break
        else:
            if b"pmd_alloc_one" in stack:
                sums["PageTables"] += 1 << order
            if b"vmalloc_node" in stack and b"copy_process" in stack:
                sums["KernelStack"] += 1 << order
    assert {name: memory[name] for name in ("Slab", "PageTables", "Percpu", "KernelStack")} == {
        name: sums[name] for name in ("Slab", "PageTables", "Percpu", "KernelStack")
    }


def test_lru_lists_hold_the_page_cache_and_anon_pages(stage: Path) -> None:
    memory = meminfo(stage)
    on_lists = memory["Active"] + memory["Inactive"] + memory["Unevictable"]
    assert memory["Cached"] + memory["AnonPages"] <= on_lists
    assert on_lists <= memory["Cached"] + memory["AnonPages"] + memory["SwapCached"]


def test_zoneinfo_and_vmstat_agree(stage: Path) -> None:
    zone = dict(re.findall(r"^      (nr_\w+) +(\d+)$", (stage / "proc/zoneinfo").read_text(), re.MULTILINE))
    vmstat = dict(line.split() for line in (stage / "proc/vmstat").read_text().splitlines())
    assert zone
    assert {name: vmstat[name] for name in zone} == zone
    assert int(vmstat["nr_free_pages"]) == meminfo(stage)["MemFree"]
