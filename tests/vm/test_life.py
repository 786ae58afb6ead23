# SPDX-License-Identifier: LGPL-2.1-or-later
"""Huge pages, two swap devices, cgroups, hostile names, fork, swapoff; in the formats of 6.1, 6.12 and 7.2."""

import json
import re
import subprocess

import pytest

from tests.oracle.captures import read
from tests.oracle.compare import spo_trace
from tests.vm.support import JOBS, MIB, Guest, adds_up, boot

pytestmark = pytest.mark.vm

STAGES = ("0-before", "1-allocated", "2-swapped", "3-partial", "4-swapoff")
JOB = "take() { capture_and_sum $1; [ $1 != 3-partial ] || live_snapshot $1; }\n"
# Names as spo-trace prints them, and the MiB of their areas.
HOSTILE = {
    "a b (c), d)": 2,
    "x), ts 9 ns": 2,
    "naïve \\377\\376": 2,
    "new\\nline": 2,
    'tab\\011q"\\\\\\\\\\033[1m': 1,
    "ns (swapped)": 1,
}


@pytest.fixture(scope="module", params=["6.1-stock", "6.12-stock", "7.2-spo"])
def life(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Guest:
    cmdline = "page_owner=on,swap" if request.param == "7.2-spo" else "page_owner=on"
    job = JOB + (JOBS / "varied.sh").read_text()
    return boot(request.param, cmdline, job, tmp_path_factory.mktemp(request.param), memory_mib=900, disks_mib=(256,))


@pytest.fixture
def patched(life: Guest) -> Guest:
    if not life.patched:
        pytest.skip(f"{life.name} keeps no owners of swap")
    return life


@pytest.mark.parametrize("stage", STAGES)
def test_report_agrees_with_the_oracles(life: Guest, stage: str) -> None:
    life.check_report(stage)


@pytest.mark.parametrize("stage", STAGES)
def test_listed_pages_add_up(life: Guest, stage: str) -> None:
    life.check_balance(stage)


def test_a_live_snapshot_has_each_record_once(life: Guest) -> None:
    life.check_live("3-partial")


def test_verify_explains_98_percent_of_a_live_snapshot(patched: Guest) -> None:
    live = patched.out / "live" / "3-partial.spo"
    rows = json.loads(subprocess.check_output([spo_trace(), "verify", str(live), "--format", "json"]))
    rests = [row for row in rows if row["kind"] == "rest"]

    sections = ["memory", "swap type 0: /dev/vda", "swap type 1: /dev/zram0", "page_owner_stacks"]
    assert [row["section"] for row in rests] == sections
    for row in rests:
        assert adds_up(row), row


def test_verify_reports_what_this_kernel_lacks(life: Guest) -> None:
    # GIVEN a stage with nothing in swap
    command = [spo_trace(), "verify", str(life.stage("0-before")), "--format", "json"]
    run = subprocess.run(command, capture_output=True, check=False)
    verdicts = [row for row in json.loads(run.stdout) if row["verdict"]]

    # THEN everything is balanced except page_owner_stacks, which older kernels lack (6.9+)
    unchecked = {row["part"]: row["reason"] for row in verdicts if row["verdict"] != "balanced"}
    assert unchecked == ({"stacks": "no-stack-counts"} if life.name == "6.1-stock" else {})
    assert run.returncode == (4 if unchecked else 0)
    subprocess.check_call([*command, "--only", "memory,swap"])


def test_the_text_has_the_format_of_this_kernel(life: Guest) -> None:
    text = read(life.stage("0-before"), "page_owner")

    assert (re.search(rb" ns, free_ts \d+ ns\nPFN \d+ ", text) is not None) == (life.name == "6.1-stock")
    assert (re.search(rb" ns\nPFN 0x", text) is not None) == (life.name != "6.1-stock")
    assert life.snapshot("0-before").pages["free_ts_nsec"].notna().any() == (life.name == "6.1-stock")


@pytest.mark.parametrize("comm", HOSTILE)
def test_hostile_comms_own_their_memory(life: Guest, comm: str) -> None:
    mem, _ = life.bytes_of("1-allocated", comm=comm)

    assert HOSTILE[comm] * MIB <= mem < (HOSTILE[comm] + 1) * MIB


def test_huge_pages_are_listed_as_one_record(life: Guest) -> None:
    mem, _ = life.bytes_of("1-allocated", comm="huge", order=9)

    assert mem >= 20 * MIB


def test_charged_memory_belongs_to_its_cgroup_even_after_removal(life: Guest) -> None:
    live, _ = life.bytes_of("1-allocated", memcg="live.scope", comm="writer")
    odd, _ = life.bytes_of("1-allocated", memcg="a b), c", comm="a b (c), d)")
    gone, _ = life.bytes_of("1-allocated", memcg="gone", memcg_offline=True)
    # Since Linux 7.2, the pages of a removed cgroup are charged to its parent.
    adopted, _ = life.bytes_of("1-allocated", memcg="/", comm="exited")

    assert live >= 8 * MIB
    assert odd >= 1.5 * MIB
    assert (gone >= 8 * MIB, adopted >= 8 * MIB) == ((False, True) if life.patched else (True, False))


def test_after_fork_the_child_owns_the_pages_that_it_writes_to(life: Guest) -> None:
    snap = life.snapshot("3-partial")
    pages, swap = (table[table["comm"] == "forker"] for table in (snap.pages, snap.swap))
    memory = (2 ** pages["order"].astype(int)).groupby(pages["pid"]).sum() * snap.page_size
    swapped = swap.groupby("pid").size() * snap.page_size
    parent, child = sorted({*memory.index, *swapped.index})

    # It wrote to a quarter of 4 MiB; its parent kept the original.
    owned = memory.add(swapped, fill_value=0)
    if life.patched:
        assert owned[child] >= 1 * MIB
        assert owned[parent] >= 4 * MIB
    else:
        # The child, which was first, also owns the pages that it swapped in; pages in swap have no owner.
        assert owned[child] >= 1 * MIB


def test_hostile_comms_own_their_swap(patched: Guest) -> None:
    for comm, size in HOSTILE.items():
        mem, swap = patched.bytes_of("2-swapped", comm=comm)
        # Pages on another processor's list of new pages could not be paged out and are still in memory.
        assert swap > size * MIB / 2, comm
        assert size * MIB <= mem + swap < (size + 2) * MIB, comm


def test_huge_pages_are_swapped_out_whole(patched: Guest) -> None:
    vmstat = dict(line.split() for line in read(patched.stage("2-swapped"), "vmstat").splitlines())
    mem, swap = patched.bytes_of("2-swapped", comm="huge")

    assert int(vmstat[b"thp_swpout"]) > 0
    # One record per base page.
    assert swap > 12 * MIB
    assert mem + swap >= 24 * MIB


def test_huge_pages_are_split_to_be_swapped_out_partly(patched: Guest) -> None:
    whole, _ = patched.bytes_of("1-allocated", comm="split", order=9)
    left, _ = patched.bytes_of("2-swapped", comm="split", order=9)
    mem, swap = patched.bytes_of("2-swapped", comm="split")

    assert whole >= 2 * MIB
    assert left == 0
    assert swap > 2 * MIB
    assert mem + swap >= 8 * MIB


def test_swap_devices_are_distinguished(patched: Guest) -> None:
    swaps = patched.snapshot("2-swapped").meta.machine.swaps
    assert [area["filename"] for area in swaps] == ["/dev/vda", "/dev/zram0"]

    for number, area in enumerate(swaps):
        _, swap = patched.bytes_of("2-swapped", type=number)
        assert swap > 10 * MIB
        assert abs(swap - area["used"]) <= 0.02 * area["used"]


def test_swapoff_restores_all_pages_and_owners(patched: Guest) -> None:
    assert patched.snapshot("4-swapoff").count("swap") == 0
    for comm, size in {**HOSTILE, "huge": 24, "split": 8, "forker": 5}.items():
        mem, _ = patched.bytes_of("4-swapoff", comm=comm)
        assert mem >= size * MIB, comm
    marked, _ = patched.bytes_of("4-swapoff", swapped=True)
    assert marked > 20 * MIB


def test_the_kernel_logs_no_warnings(life: Guest) -> None:
    life.check_kernel()
