# SPDX-License-Identifier: LGPL-2.1-or-later
"""The /proc files equal those of a real kernel, apart from the numbers."""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from spo_trace.simulator.watermarks import Watermarks, pcp_batch

# Lines of Linux 7.2.13 on a guest of the same size, x86_64; the values of numbers are ignored.
REAL = {
    "proc/meminfo": [
        "MemTotal:         469748 kB",
        "MemFree:           12264 kB",
        "Active(anon):         24 kB",
        "SecPageTables:         0 kB",
        "VmallocTotal:   13743895347199 kB",
        "DirectMap1G:           0 kB",
    ],
    "proc/zoneinfo": [
        "Node 0, zone    DMA32",
        "  per-node stats",
        "      nr_mapped    535",
        "      nr_anon_transparent_hugepages 0",
        "  pages free     2974",
        "        boost    0",
        "        managed  117437",
        "        protection: (0, 0, 0)",
        "      nr_mlock     0",
        "  pagesets",
        "    cpu: 0",
        "              count:    97",
        "              high_min: 917",
        "  vm stats threshold: 12",
        "  node_unreclaimable:  0",
        "  start_pfn:           1",
        "  reserved_highatomic: 0",
        "Node 0, zone   Normal",
        "Node 0, zone  Movable",
        "        promo    32",
    ],
    "proc/pagetypeinfo": [
        "Page block order: 9",
        "Pages per block:  512",
        "Free pages count per migrate type at order  " + "".join(f"{order:6} " for order in range(11)),
    ],
    "sys/devices/system/memory/block_size_bytes": ["8000000"],
    "proc/vmstat": ["nr_free_pages 2974", "pswpout 0", "nr_unstable 0"],
}


def shape(line: str) -> str:
    """Return the line with its right-aligned number replaced by one character."""
    return re.sub(r" *\d+ kB$", "N kB", re.sub(r"\d+$", "N", line)) if not line.startswith("Vm") else line


@pytest.mark.parametrize(("file", "line"), [(file, line) for file, lines in REAL.items() for line in lines])
def test_line_equals_the_kernels(play: Callable[[str], Path], file: str, line: str) -> None:
    printed = (play("rfc-after") / "2-swapped" / file).read_text().splitlines()
    assert shape(line) in {shape(one) for one in printed}


def test_free_blocks_add_up_to_free_memory(play: Callable[[str], Path]) -> None:
    stage = play("rfc-after") / "2-swapped"
    lines = (stage / "proc/pagetypeinfo").read_text().splitlines()
    free = sum(
        int(count) << order
        for line in lines
        if ", type " in line
        for order, count in enumerate(line.split(", type ")[1].split()[1:])
    )
    (printed,) = re.findall(r"^MemFree: +(\d+) kB$", (stage / "proc/meminfo").read_text(), re.MULTILINE)
    assert free * 4 == int(printed)


def test_meminfo_numbers_are_right_aligned(play: Callable[[str], Path]) -> None:
    lines = (play("rfc-after") / "2-swapped/proc/meminfo").read_text().splitlines()
    assert len(lines) == 50
    assert {len(line) for line in lines if not line.startswith("VmallocTotal")} == {len(REAL["proc/meminfo"][0])}


def test_memory_total_and_commit_limit_are_those_of_a_real_guest(play: Callable[[str], Path]) -> None:
    text = (play("rfc-after") / "2-swapped/proc/meminfo").read_text()
    assert "MemTotal:         469748 kB\n" in text
    assert "SwapTotal:       1048572 kB\n" in text
    assert "CommitLimit:     1283444 kB\n" in text


def test_swaps_lists_devices_by_type(play: Callable[[str], Path]) -> None:
    assert (play("rfc-before") / "0-initial/proc/swaps").read_text() == (
        "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
        "/dev/vdb                                partition\t1048572\t\t0\t\t-2\n"
    )


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("proc/cmdline", "root=/dev/vda1 ro page_owner=on,swap transparent_hugepage=always\n"),
        ("proc/sys/kernel/random/boot_id", "c2f9d0b7-64f5-4a0e-9c44-2b1f6f0a7d15\n"),
        ("proc/sys/kernel/osrelease", "7.2.13-spo\n"),
        ("proc/sys/kernel/hostname", "quick\n"),
        ("uname", "Linux quick 7.2.13-spo #3 SMP PREEMPT Sun Nov 22 22:37:01 UTC 2026 x86_64 GNU/Linux\n"),
        ("sys/kernel/debug/page_owner_stacks/count_threshold", "0"),
    ],
)
def test_small_file(play: Callable[[str], Path], file: str, text: str) -> None:
    assert (play("quick") / "0-start" / file).read_text() == text


def test_uptime_increases(play: Callable[[str], Path]) -> None:
    stages = sorted(play("quick").iterdir())
    ups = [float((stage / "proc/uptime").read_text().split()[0]) for stage in stages]
    assert ups[0] == pytest.approx(10, abs=0.1)
    assert [round(late - early) for early, late in pairwise(ups)] == [60, 60, 60]


# A guest with 117437 managed pages and vm.min_free_kbytes 8192.
def test_watermarks_and_batch_are_those_of_a_real_guest() -> None:
    assert Watermarks.of_min_free(8192) == Watermarks(2048, 2560, 3072, 3584)
    assert pcp_batch(117437) == 31
