# SPDX-License-Identifier: LGPL-2.1-or-later
"""The RFC's experiment on a stock and on a patched kernel: 256 MiB of dd are swapped out and in again."""

import pytest

import spo_trace as spo
from tests.vm.support import JOBS, MIB, TOLERANCE, Guest, boot

pytestmark = pytest.mark.vm

FILE = 256 * MIB
# The choice of pages is up to reclaim. But DD needs, with everything else and the watermarks, about 230 MiB more
# than there is, and at most 70 MiB of that can come from processes other than dd.
MOST = FILE // 2
# Other memory of dd and cat: page tables, stacks, and the parts of their programs that they read.
OWN = 2 * MIB
STAGES = ("0-initial", "1-dd256", "2-swapped", "3-back")
JOB = "take() { capture_and_sum $1; }\n"


@pytest.fixture(scope="module", params=["7.2-stock", "7.2-spo"])
def rfc(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Guest:
    cmdline = "page_owner=on,swap" if request.param == "7.2-spo" else "page_owner=on"
    job = JOB + (JOBS / "rfc.sh").read_text()
    return boot(request.param, cmdline, job, tmp_path_factory.mktemp(request.param), memory_mib=492)


@pytest.mark.parametrize("stage", STAGES)
def test_report_agrees_with_the_oracles(rfc: Guest, stage: str) -> None:
    rfc.check_report(stage, comms=("dd", "DD", "cat"))


@pytest.mark.parametrize("stage", STAGES)
def test_listed_pages_add_up(rfc: Guest, stage: str) -> None:
    rfc.check_balance(stage)


def check_none_is_lost(rfc: Guest, stage: str) -> None:
    """Check that dd owns its whole file, in memory or in swap; pages in the swap cache are in both."""
    both = sum(rfc.bytes_of(stage, comm="dd"))
    meminfo = rfc.snapshot(stage).meta.machine.meminfo

    assert FILE <= both <= FILE * (1 + TOLERANCE) + OWN + meminfo["SwapCached"]


def test_dd_owns_its_pages_before_they_are_swapped_out(rfc: Guest) -> None:
    check_none_is_lost(rfc, "1-dd256")


def test_in_swap_dd_owns_them_if_the_kernel_keeps_owners(rfc: Guest) -> None:
    mem, swap = rfc.bytes_of("2-swapped", comm="dd")

    assert mem < FILE - MOST
    assert (rfc.snapshot("2-swapped").meta.swap_owner.why is None) == rfc.patched
    if rfc.patched:
        assert swap > MOST
        check_none_is_lost(rfc, "2-swapped")
    else:
        assert swap == 0


def test_after_swap_in_dd_or_cat_owns_them(rfc: Guest) -> None:
    dd, cat = (rfc.bytes_of("3-back", comm=comm)[0] for comm in ("dd", "cat"))

    if rfc.patched:
        check_none_is_lost(rfc, "3-back")
        assert cat < OWN
    else:
        # dd still owns those that stayed in memory.
        assert cat > MOST
        assert FILE <= dd + cat < FILE + 2 * OWN


def test_pages_swapped_in_with_their_owner_are_marked(rfc: Guest) -> None:
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


def test_after_swapoff_swap_has_no_owners(rfc: Guest) -> None:
    expected = "0 MiB" if rfc.patched else "cat: /sys/kernel/debug/swap_page_owner: No such file or directory 0 MiB"

    assert rfc.figures["4-swapoff", "swap_page_owner"] == expected


def test_the_kernel_logs_no_warnings(rfc: Guest) -> None:
    rfc.check_kernel()
