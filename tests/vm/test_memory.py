# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owners out of kernel memory, by BPF, by /proc/kcore and from dumps: the same records as debugfs, field by field."""

import shutil
import struct
import subprocess
from pathlib import Path
from typing import BinaryIO

import pytest

from spo_trace.memory.capture import MemoryCapture
from spo_trace.memory.dump import kernel_of, open_dump
from spo_trace.memory.kernel import Kernel
from spo_trace.memory.symbol_table import in_kallsyms
from tests.oracle.captures import read
from tests.vm.jobs.memory_capture import write
from tests.vm.memory_records import Comparison, compared
from tests.vm.monitor import FORMATS
from tests.vm.support import JOBS, Guest, boot

pytestmark = pytest.mark.vm

FULL = "7.2-spo-full"
KERNELS = ("6.1-stock", "6.12-stock", "7.2-spo", FULL)
METHODS = ("bpf", "kcore", *FORMATS)
# Bits that change while a page stays allocated and its owner the same: a slab has free objects again, a page was used.
TRANSIENT = {
    "workingset",
    "mappedtodisk",
    "locked",
    "referenced",
    "active",
    "uptodate",
    "dirty",
    "lru",
    "writeback",
    "waiters",
}


@pytest.fixture(scope="module", params=KERNELS)
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Guest:
    cmdline = "page_owner=on,swap" if "-spo" in request.param else "page_owner=on"
    job, out = (JOBS / "memory.sh").read_text(), tmp_path_factory.mktemp(request.param)
    guest = boot(
        request.param,
        cmdline,
        job,
        out,
        memory_mib=640 if request.param == FULL else 400,
        disks_mib=(64,),
        time_limit=1800,
    )
    for suffix in FORMATS:
        with (guest.out / f"vmcore.{suffix}").open("rb") as file:
            write(MemoryCapture(kernel_in(guest, file)), guest.stage(suffix))
    return guest


def kernel_in(guest: Guest, file: BinaryIO) -> Kernel:
    """Return the kernel in a guest's dump; only the full one has VMCOREINFO."""
    dump = open_dump(file)
    if dump.vmcoreinfo:
        return kernel_of(dump)
    with (guest.out / "kallsyms").open("rb") as lines:
        return kernel_of(dump, [symbol for symbol in in_kallsyms(lines) if not symbol.module])


@pytest.mark.parametrize("method", METHODS)
def test_page_owner_is_that_of_debugfs(machine: Guest, method: str) -> None:
    found = comparison(machine, method, "page_owner")
    assert found.steady > 30_000
    check(found, machine)


@pytest.mark.parametrize("method", METHODS)
def test_swap_page_owner_is_that_of_debugfs(machine: Guest, method: str) -> None:
    if not machine.patched:
        pytest.skip(f"{machine.name} keeps no owners of swap")
    found = comparison(machine, method, "swap_page_owner")
    assert found.steady > 5000
    assert (found.equal, found.differences, found.unknown) == (found.steady, {}, {})


@pytest.mark.parametrize("level", [1, 23, 31])
def test_filtered_dumps_have_all_pages_and_count_the_owners_of_swap(machine: Guest, tmp_path: Path, level: int) -> None:
    if machine.name != FULL:
        pytest.skip(f"{machine.name} has no VMCOREINFO, which makedumpfile needs")
    if shutil.which("makedumpfile") is None:
        pytest.skip("makedumpfile is not installed")
    whole, filtered = for_makedumpfile(machine.out / "vmcore.elf", tmp_path / "elf"), tmp_path / "filtered"
    subprocess.run(["makedumpfile", "-c", "-d", str(level), whole, filtered], check=True, stdout=subprocess.DEVNULL)
    with filtered.open("rb") as file:
        capture = MemoryCapture(kernel_of(open_dump(file)))
        pages = b"".join(capture.page_owner())
        count = capture.swap_count
    # Memory cgroups are structures like any other, and may be left out by chance, too.
    pairs = zip(pages.split(b"\n"), read(machine.stage("elf"), "page_owner").split(b"\n"), strict=True)
    different = {mine for mine, full in pairs if mine != full}
    assert different <= ({b"Charged to memcg ?", b"Charged (via objcg) to memcg ?"} if level == 31 else set())
    assert capture.unread_pages == 0
    everything = read(machine.stage("elf"), "swap_page_owner").count(b"SWP entry ")
    assert count.used == everything
    if level != 31:
        assert (count.records, count.lost) == (everything, 0)
    # makedumpfile leaves out nodes and records by chance.
    assert count.records == everything or count.lost > 0


def for_makedumpfile(source: Path, target: Path) -> Path:
    """Copy an ELF dump of QEMU 7.2 with e_ehsize 64 and its program headers at 64, as makedumpfile 1.7 needs them."""
    shutil.copyfile(source, target)
    with target.open("r+b") as file:
        header = bytearray(file.read(64))
        start, count = struct.unpack_from("<Q", header, 32)[0], struct.unpack_from("<H", header, 56)[0]
        file.seek(start)
        programs = file.read(56 * count)
        struct.pack_into("<QQ", header, 32, 64, 0)
        struct.pack_into("<HHHHHH", header, 52, 64, 56, count, 0, 0, 0)
        file.seek(0)
        file.write(header + programs)
    return target


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
    assert found.equal >= 0.999 * found.steady
    start = float(read(machine.stage("before"), "uptime").split()[0])
    assert [record for record in found.unknown.values() if allocated(record) < start] == []


def allocated(record: bytes) -> float:
    """Return the time of a record's allocation in seconds since boot."""
    return int(record.rpartition(b"), ts ")[2].split()[0]) / 1e9
