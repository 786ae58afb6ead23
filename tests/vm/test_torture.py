# SPDX-License-Identifier: LGPL-2.1-or-later
"""The patched kernel under all kinds of memory activity at once, with the debug build if available."""

import re

import pytest

import spo_trace as spo
from tests.vm import kernels
from tests.vm.support import JOBS, Guest, boot

pytestmark = pytest.mark.vm

DEBUG, PLAIN = "7.2-spo-debug", "7.2-spo"


@pytest.fixture(scope="module")
def torture(tmp_path_factory: pytest.TempPathFactory) -> Guest:
    try:
        kernels.find(name := DEBUG)
    except kernels.KernelMissing:
        name = PLAIN
    job = (JOBS / "torture.sh").read_text()
    out = tmp_path_factory.mktemp(name)
    return boot(name, "page_owner=on,swap", job, out, memory_mib=640, processors=2, disks_mib=(256,))


def test_all_activities_took_place(torture: Guest) -> None:
    rounds = dict(re.findall(r"^(\w+): (\d+) rounds$", torture.log, re.MULTILINE))

    assert rounds.keys() == {"shmem", "swapoff", "readers"}
    assert min(map(int, rounds.values())) > 0
    assert (torture.out / "broken").read_text() == ""


def test_a_snapshot_taken_meanwhile_is_consistent(torture: Guest) -> None:
    # Records that change during the read are consistent, and each page frame and entry occurs once.
    snap = spo.open(torture.out / "live" / "torture.spo")

    assert [name for name, counts in snap.meta.files.items() if counts.malformed] == []
    assert snap.pages["pfn"].is_unique
    assert snap.swap["swp_entry"].is_unique
    assert len(snap.pages) > 1000
    assert len(snap.swap) > 100


@pytest.mark.parametrize("stage", ["0-busy", "1-swapoff"])
def test_report_agrees_with_the_oracles_and_adds_up(torture: Guest, stage: str) -> None:
    torture.check_report(stage)
    torture.check_balance(stage)


def test_after_swapoff_no_owner_is_left(torture: Guest) -> None:
    assert torture.snapshot("0-busy").count("swap") > 0
    assert torture.snapshot("1-swapoff").count("swap") == 0


def test_the_kernel_logs_no_warnings(torture: Guest) -> None:
    torture.check_kernel()
