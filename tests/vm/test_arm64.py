# SPDX-License-Identifier: LGPL-2.1-or-later
"""The RFC's experiment on arm64 with pages of 4 and 64 KiB: spo-trace and the collector = awk and meminfo."""

import re

import pytest

import spo_trace as spo
from spo_trace.analysis.verdicts import verdicts
from spo_trace.snapshots.reader import Snapshot
from tests.collectors import restored
from tests.oracle import awk
from tests.oracle.captures import read
from tests.oracle.compare import compare_stage
from tests.vm import kernels
from tests.vm.arm64 import guest
from tests.vm.support import MIB, TOLERANCE, Guest, keys

pytestmark = pytest.mark.vm

PAGE_SIZES = {"7.2-arm64-4k": 4096, "7.2-arm64-64k": 65536}
STAGES = ("0-initial", "1-dd256", "2-swapped", "3-back")
FILE = 256 * MIB
# DD needs, with dd's file and the watermarks, about 190 MiB more than there is, and little of it can come from others.
MOST = FILE // 2
# Other memory of dd and cat: page tables, stacks, buffers and parts of programs, each at least a page.
OWN_PAGES = 64


@pytest.fixture(scope="module", params=PAGE_SIZES)
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Guest:
    out = tmp_path_factory.mktemp(request.param)
    try:
        kernel = kernels.find_arm64(request.param)
        outcome = guest.run(kernel, "page_owner=on,swap", guest.HERE / "rfc.sh", out, memory_mib=491)
    except (kernels.KernelMissing, guest.ToolMissing) as missing:
        pytest.skip(str(missing))
    print(f"{request.param}: {outcome.seconds:.0f} s")
    return Guest(request.param, outcome)


def page_size(machine: Guest) -> int:
    return PAGE_SIZES[machine.name]


def by_comm(snap: Snapshot) -> dict[str, tuple[int, int]]:
    """Return each comm's bytes in memory and in swap."""
    table = spo.attribute(snap, by=["comm"])
    rows = table[["comm", "mem_bytes", "swap_bytes"]].to_numpy().tolist()
    return {str(comm): (int(mem), int(swap)) for comm, mem, swap in rows}


def summed(page_owner: bytes, swap_page_owner: bytes, size: int) -> dict[str, tuple[int, int]]:
    """Return the same as awk counts it."""
    pages = awk.pages_by_comm(page_owner, swap_page_owner)
    return {comm.decode(): (mem * size, swap * size) for comm, (mem, swap) in pages.items()}


@pytest.mark.parametrize("stage", STAGES)
def test_sums_by_comm_are_those_of_awk(machine: Guest, stage: str) -> None:
    page_owner, swap_page_owner = (read(machine.stage(stage), file) for file in ("page_owner", "swap_page_owner"))

    assert by_comm(machine.snapshot(stage)) == summed(page_owner, swap_page_owner, page_size(machine))
    assert compare_stage(machine.stage(stage)) == []


@pytest.mark.parametrize("stage", STAGES)
def test_the_collectors_sums_by_comm_are_those_of_awk(machine: Guest, stage: str) -> None:
    texts = restored(machine.stage(f"{stage}-collected"))
    snap = machine.snapshot(f"{stage}-collected")

    assert snap.meta.machine.page_size == page_size(machine)
    assert by_comm(snap) == summed(texts["page_owner"], texts["swap_page_owner"], page_size(machine))
    assert "spo-collect" in by_comm(snap)


# By the collector: the processes that make the other captures come and go, and use more than the tolerance meanwhile.
@pytest.mark.parametrize("stage", STAGES)
def test_sums_are_those_of_meminfo(machine: Guest, stage: str) -> None:
    mem, swap = (sum(sizes) for sizes in zip(*by_comm(machine.snapshot(f"{stage}-collected")).values(), strict=True))
    text = (machine.stage(f"{stage}-collected") / "meminfo").read_text()
    meminfo = {name: int(kib) << 10 for name, kib in re.findall(r"(\w+): +(\d+) kB", text)}

    assert abs(meminfo["MemTotal"] - meminfo["MemFree"] - mem) <= TOLERANCE * mem + OWN_PAGES * page_size(machine)
    # A page in the swap cache has its owner in memory and in swap.
    assert abs(meminfo["SwapTotal"] - meminfo["SwapFree"] - swap) <= TOLERANCE * FILE + meminfo["SwapCached"]
    assert set(verdicts(machine.snapshot(f"{stage}-collected")).verdict) == {"balanced"}


@pytest.mark.parametrize("stage", STAGES)
def test_the_collector_has_the_records_that_cat_prints(machine: Guest, stage: str) -> None:
    snap = machine.snapshot(f"{stage}-collected")
    for file, column, table in (("page_owner", "pfn", snap.pages), ("swap_page_owner", "swp_entry", snap.swap)):
        found = list(zip(table[column].astype("uint64"), table["ts_nsec"].astype("uint64"), strict=True))
        before, after = (keys(machine.stage(name), file) for name in (stage, f"{stage}-after"))
        assert (before & after) - set(found) == set()
        assert len(before & after) >= 0.8 * len(before)
        assert len(set(found)) == len(found)


def check_none_is_lost(machine: Guest, stage: str) -> None:
    """Check that dd owns its whole file, in memory or in swap; pages in the swap cache are in both."""
    both = sum(machine.bytes_of(stage, comm="dd"))
    meminfo = machine.snapshot(stage).meta.machine.meminfo

    assert FILE <= both <= FILE * (1 + TOLERANCE) + OWN_PAGES * page_size(machine) + meminfo["SwapCached"]


@pytest.mark.parametrize("stage", STAGES[1:])
def test_dd_owns_its_file_in_memory_or_in_swap(machine: Guest, stage: str) -> None:
    check_none_is_lost(machine, stage)


def test_dds_file_is_swapped_out_and_read_back_with_its_owner(machine: Guest) -> None:
    mem, swap = machine.bytes_of("2-swapped", comm="dd")
    cat, _ = machine.bytes_of("3-back", comm="cat")
    back, _ = machine.bytes_of("3-back", comm="dd", swapped=True)

    assert mem < FILE - MOST
    assert swap > MOST
    assert machine.bytes_of("2-swapped", comm="DD")[0] >= 384 * MIB
    assert back > MOST
    assert cat < OWN_PAGES * page_size(machine)


def test_after_swapoff_swap_has_no_owners(machine: Guest) -> None:
    assert (machine.out / "after-swapoff").read_text().strip() == "0"


def test_the_kernel_logs_no_warnings(machine: Guest) -> None:
    machine.check_kernel()
