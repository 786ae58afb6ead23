# SPDX-License-Identifier: LGPL-2.1-or-later
"""The RFC's experiment on a stock and on a patched kernel: 256 MiB of dd's go to swap, and come back."""

import pytest

import spo_trace as spo
from tests.vm.support import JOBS, MIB, TOLERANCE, Guest, boot

pytestmark = pytest.mark.vm

FILE = 256 * MIB
# Which pages reclaim takes is its own affair. But what DD needs, with all else and the watermarks, is some 230 MiB more
# than there is, of which others than dd can give no more than 70.
MOST = FILE // 2
# dd's and cat's own: their page tables, stacks, and what of their programs they read.
OWN = 2 * MIB
STAGES = ("0-initial", "1-dd256", "2-swapped", "3-back")
JOB = "take() { capture_and_sum $1; }\n"


@pytest.fixture(scope="module", params=["7.2-stock", "7.2-spo"])
def rfc(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Guest:
    cmdline = "page_owner=on,swap" if request.param == "7.2-spo" else "page_owner=on"
    job = JOB + (JOBS / "rfc.sh").read_text()
    return boot(request.param, cmdline, job, tmp_path_factory.mktemp(request.param), memory_mib=492)


@pytest.mark.parametrize("stage", STAGES)
def test_report_is_what_the_oracles_say(rfc: Guest, stage: str) -> None:
    rfc.check_report(stage, comms=("dd", "DD", "cat"))


@pytest.mark.parametrize("stage", STAGES)
def test_what_is_listed_adds_up(rfc: Guest, stage: str) -> None:
    rfc.check_balance(stage)


def check_none_is_lost(rfc: Guest, stage: str) -> None:
    """See that all of dd's file is dd's, in memory or in swap; in the swap cache it is in both."""
    both = sum(rfc.bytes_of(stage, comm="dd"))
    meminfo = rfc.snapshot(stage).meta.machine.meminfo

    assert FILE <= both <= FILE * (1 + TOLERANCE) + OWN + meminfo["SwapCached"]


def test_dds_pages_are_dds_before_they_are_swapped(rfc: Guest) -> None:
    check_none_is_lost(rfc, "1-dd256")


def test_in_swap_they_are_dds_where_the_kernel_keeps_owners(rfc: Guest) -> None:
    mem, swap = rfc.bytes_of("2-swapped", comm="dd")

    assert mem < FILE - MOST
    assert (rfc.snapshot("2-swapped").meta.swap_owner.why is None) == rfc.patched
    if rfc.patched:
        assert swap > MOST
        check_none_is_lost(rfc, "2-swapped")
    else:
        assert swap == 0


def test_back_in_memory_they_are_dds_or_cats(rfc: Guest) -> None:
    dd, cat = (rfc.bytes_of("3-back", comm=comm)[0] for comm in ("dd", "cat"))

    if rfc.patched:
        check_none_is_lost(rfc, "3-back")
        assert cat < OWN
    else:
        # Those that stayed in memory are still dd's.
        assert cat > MOST
        assert FILE <= dd + cat < FILE + 2 * OWN


def test_pages_that_came_back_with_their_owner_are_marked(rfc: Guest) -> None:
    marked, _ = rfc.bytes_of("3-back", comm="dd", swapped=True)

    assert (marked > MOST) == rfc.patched
    assert marked == 0 or rfc.patched


def test_the_diff_shows_dds_pages_moving_to_swap(rfc: Guest) -> None:
    table = spo.diff(rfc.snapshot("1-dd256"), rfc.snapshot("2-swapped"), by=["comm"]).set_index("comm")
    memory, swap = table["mem_bytes_delta"], table["swap_bytes_delta"]

    assert memory["dd"] < -MOST
    assert memory["DD"] >= 384 * MIB
    if rfc.patched:
        assert swap["dd"] > MOST
        assert abs(memory["dd"] + swap["dd"]) <= TOLERANCE * FILE
    else:
        assert swap.isna().all()


def test_swapoff_leaves_no_owner_of_swap(rfc: Guest) -> None:
    expected = "0 MiB" if rfc.patched else "cat: /sys/kernel/debug/swap_page_owner: No such file or directory 0 MiB"

    assert rfc.figures["4-swapoff", "swap_page_owner"] == expected


def test_the_kernel_has_nothing_to_complain_of(rfc: Guest) -> None:
    rfc.check_kernel()
