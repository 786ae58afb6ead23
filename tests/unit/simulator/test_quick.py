# SPDX-License-Identifier: LGPL-2.1-or-later
"""quick.toml is quick and reproducible, and contains everything that is hard to parse."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from spo_trace.simulator import load_scenario, run
from tests.counting import python_calls

Play = Callable[[str], Path]

PAGE_OWNER = "sys/kernel/debug/page_owner"
SWAP_PAGE_OWNER = "sys/kernel/debug/swap_page_owner"


def text(play: Play, stage: str, name: str = PAGE_OWNER) -> bytes:
    return (play("quick") / stage / name).read_bytes()


def printed(path: Path) -> list[tuple[str, str, bytes]]:
    stages = run(load_scenario(path))
    return [(stage.name, name, b"".join(read())) for stage in stages for name, read in stage.files.items()]


def test_the_scenario_is_quick(scenarios: Path) -> None:
    # 230,000 calls, about 20 per record, take a fraction of a second.
    assert 0 < python_calls(lambda: printed(scenarios / "quick.toml")) < 500_000


def test_same_seed_same_bytes(scenarios: Path) -> None:
    assert printed(scenarios / "quick.toml") == printed(scenarios / "quick.toml")


def test_another_seed_gives_other_times(scenarios: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text((scenarios / "quick.toml").read_text().replace("seed = 23", "seed = 24"))
    assert printed(other) != printed(scenarios / "quick.toml")


@pytest.mark.parametrize(
    "comm", [b"(x), ts 9 ns), ts ", b"(new\nline), ts ", b"(ns (swapped)), ts ", b"(\xff\xfe name), ts "]
)
def test_hostile_comms_are_printed_raw_in_memory_and_swap(play: Play, comm: bytes) -> None:
    assert comm in text(play, "1-leak")
    assert comm in text(play, "2-swapped", SWAP_PAGE_OWNER)


def test_a_swapped_huge_page_has_512_contiguous_entries(play: Play) -> None:
    # GIVEN the entries of the process with the huge page, all with the owner of that page
    records = text(play, "2-swapped", SWAP_PAGE_OWNER).split(b"\n\n")
    huge = [record for record in records if b"(huge), " in record]
    # THEN there are 512 with the same text except for the entry, aligned and contiguous
    values = [int(record.split(b"SWP entry ")[1].split(b"\n")[0], 16) for record in huge]
    assert values == list(range(values[0], values[0] + 512))
    assert values[0] % 512 == 0
    assert len({re.sub(rb"SWP entry 0x[0-9a-f]+", b"", record) for record in huge}) == 1


def test_the_device_of_higher_priority_fills_first(play: Play) -> None:
    rows = [row.split() for row in text(play, "2-swapped", "proc/swaps").decode().splitlines()]
    (vda, vda_size, vda_used), (zram, zram_size, zram_used) = ((row[0], row[2], row[3]) for row in rows[1:])
    assert (vda, zram) == ("/dev/vda", "/dev/zram0")
    assert zram_used == zram_size
    assert 512 * 4 < int(vda_used) < int(vda_size)
    assert b"SWP entry 0x400000000000001\n" in text(play, "2-swapped", SWAP_PAGE_OWNER)


def test_the_leak_grows(play: Play) -> None:
    counts = [
        text(play, stage).count(b"[sample_driver]\n sample_ioctl") for stage in ("0-start", "1-leak", "2-swapped")
    ]
    assert counts == [16, 80, 208]


def test_swapped_in_pages_keep_their_owner_and_have_the_mark(play: Play) -> None:
    # GIVEN pages of dd that were swapped out
    swapped_out = re.findall(rb"pid (160, tgid 160 \(dd\), ts \d+) ns\n", text(play, "2-swapped", SWAP_PAGE_OWNER))
    # WHEN cat has read the file
    back = [record for record in text(play, "3-back").split(b"\n\n") if b" ns (swapped)\n" in record]
    # THEN they have dd's pid and time, the stack of its write and the gfp mask of the swap-in
    owners = [record.split(b", pid ")[1].split(b" ns")[0] for record in back]
    assert set(swapped_out) <= set(owners)
    assert len(swapped_out) > 100
    assert not any(b"swap_cache_alloc" in record for record in back)
    assert all(b"mask 0x140cca(" in record for record in back)


def test_pages_in_the_swap_cache_are_in_both_files(play: Play) -> None:
    cached = int(text(play, "3-back", "proc/meminfo").split(b"SwapCached:")[1].split()[0]) // 4
    assert cached > 0
    in_cache = [record for record in text(play, "3-back").split(b"\n\n") if b"|owner_priv_1|" in record]
    assert len(in_cache) == cached
    for record in in_cache[:5]:
        owner = record.split(b", pid ")[1].split(b" (swapped)\nPFN")[0]
        assert b"Page allocated via pid " + owner + b"\n" in text(play, "3-back", SWAP_PAGE_OWNER)


@pytest.mark.parametrize(
    "line",
    [
        b"Charged to memcg a b), c\n",
        b"Charged (via objcg) to memcg web.service\n",
        b"Charged to offline memcg gone.scope\n",
        b"Page has been migrated, last migrate reason: compaction\nCharged to memcg web.service\n",
        b"Slab cache page\n",
    ],
)
def test_lines_after_the_stack_exist(play: Play, line: bytes) -> None:
    assert line in text(play, "3-back")


def test_exit_frees_the_childs_copies(play: Play) -> None:
    assert b"pid 180, " in text(play, "1-leak")
    assert b"pid 180, " not in text(play, "2-swapped")


def test_each_chunk_is_one_record(scenarios: Path) -> None:
    for stage in run(load_scenario(scenarios / "quick.toml")):
        for name in (PAGE_OWNER, SWAP_PAGE_OWNER):
            for chunk in stage.files[name]():
                assert chunk.startswith(b"Page allocated via ")
                assert chunk.endswith(b"\n\n")
                assert len(chunk.split(b"\nPFN 0x" if name == PAGE_OWNER else b"\nSWP entry 0x")) == 2
