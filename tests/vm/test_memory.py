# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owners out of kernel memory, by BPF, by /proc/kcore and from dumps: the same records as debugfs, field by field."""

import shlex
from pathlib import Path
from typing import BinaryIO

import pytest

import spo_trace as spo
from spo_trace.memory.capture import MemoryCapture
from spo_trace.memory.dump import kernel_of, open_dump
from spo_trace.memory.kernel import Kernel
from spo_trace.memory.owners import collected_owners
from spo_trace.memory.symbol_table import in_kallsyms
from tests.oracle.captures import read
from tests.vm import kernels
from tests.vm.makedumpfile import LEVELS, check_filtered, for_makedumpfile, has_makedumpfile
from tests.vm.memory_records import Comparison, compared
from tests.vm.memory_text import write
from tests.vm.monitor import FORMATS
from tests.vm.support import JOBS, Guest, boot

pytestmark = pytest.mark.vm

FULL = "7.2-spo-full"
KERNELS = ("6.1-stock", "6.12-stock", "7.2-spo", FULL)
# The collector reads memory in the guest; text is made of it here, with the names and stacks of the dump.
LIVE = ("bpf", "kcore")
METHODS = (*LIVE, *FORMATS)
# Bits that change while a page stays allocated and its owner the same: a slab has free objects again, a page was used.
TRANSIENT = {
    "active",
    "arch_1",
    "dirty",
    "locked",
    "lru",
    "mappedtodisk",
    "mlocked",
    "owner_2",
    "owner_priv_1",
    "private",
    "reclaim",
    "referenced",
    "unevictable",
    "uptodate",
    "waiters",
    "workingset",
    "writeback",
}


@pytest.fixture(scope="module", params=KERNELS)
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Guest:
    cmdline = "page_owner=on,swap" if "-spo" in request.param else "page_owner=on"
    job = f"MODULE={shlex.quote(str(module(request.param) or ''))}\n" + (JOBS / "memory.sh").read_text()
    out = tmp_path_factory.mktemp(request.param)
    full = request.param == FULL
    guest = boot(
        request.param,
        cmdline,
        job,
        out,
        memory_mib=640 if full else 400,
        disks_mib=(64,),
        # The other kernels have no NUMA.
        processors=2 if full else 1,
        nodes=2 if full else 1,
    )
    for suffix in FORMATS:
        with (guest.out / f"vmcore.{suffix}").open("rb") as file:
            kernel = kernel_in(guest, file)
            write(MemoryCapture(kernel), guest.stage(suffix))
            for stage in (guest.stage(method) for method in LIVE if suffix == "elf"):
                if stage.exists():
                    write(MemoryCapture(kernel, collected_owners(stage)), stage)
    return guest


def module(name: str) -> Path | None:
    """Return the module that was built with the kernel `name`, or None."""
    try:
        return kernels.module_of(kernels.find(name))
    except kernels.KernelMissing:
        return None


def kernel_in(guest: Guest, file: BinaryIO) -> Kernel:
    """Return the kernel in a guest's dump; only the full one has VMCOREINFO."""
    dump = open_dump(file)
    if dump.vmcoreinfo:
        return kernel_of(dump)
    with (guest.out / "kallsyms").open("rb") as lines:
        return kernel_of(dump, in_kallsyms(lines))


@pytest.mark.parametrize("method", METHODS)
def test_page_owner_is_that_of_debugfs(machine: Guest, method: str) -> None:
    found = comparison(machine, method, "page_owner")
    assert found.steady > 20_000
    check(found, machine)
    if method in LIVE:
        how, compared = (machine.stage(method) / "answer").read_text().splitlines()
        assert (how, int(compared) > 20) == ("compared", True)


@pytest.mark.parametrize("method", METHODS)
def test_swap_page_owner_is_that_of_debugfs(machine: Guest, method: str) -> None:
    if not machine.patched:
        pytest.skip(f"{machine.name} keeps no owners of swap")
    found = comparison(machine, method, "swap_page_owner")
    assert found.steady > 3000
    assert (found.equal, found.differences, found.unknown) == (found.steady, {}, {})


def test_pages_of_both_nodes_are_compared(machine: Guest) -> None:
    if machine.name != FULL:
        pytest.skip(f"{machine.name} has no NUMA")
    # Swap entries have no node.
    nodes = spo.attribute(machine.snapshot("before"), by=["node"]).dropna(subset=["node"])
    assert sorted(nodes["node"]) == [0, 1]
    assert nodes["mem_pages"].min() > 1000


@pytest.mark.parametrize("method", ["before", *METHODS])
def test_frames_of_a_loaded_module_have_its_name(machine: Guest, method: str) -> None:
    if module(machine.name) is None:
        pytest.skip(f"no module was built with {machine.name}: VERSION=7.2 tests/vm/kernel/build.sh spo-full")
    if not machine.stage(method).exists():
        pytest.skip(f"{machine.name} has no {method}")
    pages = spo.attribute(machine.snapshot(method), by=["module", "callsite", "order"])
    held = pages[pages["module"] == "spo_hold"]
    assert dict(zip(held["order"], held["mem_pages"], strict=True)) == {0: 64, 2: 8 * 4}
    assert set(held["callsite"]) == {"spo_hold_pages [spo_hold]"}


@pytest.mark.parametrize("level", LEVELS)
def test_filtered_dumps_have_all_pages_and_count_the_owners_of_swap(machine: Guest, tmp_path: Path, level: int) -> None:
    if machine.name != FULL:
        pytest.skip(f"{machine.name} has no VMCOREINFO, which makedumpfile needs")
    if not has_makedumpfile():
        pytest.skip("makedumpfile is not installed")
    dump = for_makedumpfile(machine.out / "vmcore.elf", tmp_path / "elf")
    check_filtered(dump, machine.stage("elf"), level, tmp_path)


def comparison(machine: Guest, method: str, name: str) -> Comparison:
    """Compare what a method read with debugfs; skip the test if this kernel lacks the method."""
    if method == "kcore" and machine.name != FULL:
        pytest.skip(f"{machine.name} has no /proc/kcore")
    found = compared(machine.stage(method), machine.stage("before"), machine.stage("after"), name)
    print(f"{machine.name} {method} {name}: {found.equal:,} of {found.steady:,} equal; {dict(found.differences)}")
    return found


def check(found: Comparison, machine: Guest) -> None:
    """Check that steady records differ in transient flags alone, and others are of pages allocated meanwhile."""
    assert found.missing == []
    names = {flag for kind in found.differences for flag in kind.removeprefix("flags: ").split("|")}
    assert names <= TRANSIENT
    # The longer the guest takes between two readings, the more pages have other transient flags.
    assert found.equal >= 0.995 * found.steady
    start = float(read(machine.stage("before"), "uptime").split()[0])
    assert [record for record in found.unknown.values() if allocated(record) < start] == []


def allocated(record: bytes) -> float:
    """Return the time of a record's allocation in seconds since boot."""
    return int(record.rpartition(b"), ts ")[2].split()[0]) / 1e9
