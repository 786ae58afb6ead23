# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real crash: the owners in /proc/vmcore, as the crash kernel sees it, are those that the crashed kernel had."""

import shutil
from pathlib import Path

import pytest

from spo_trace.memory.capture import MemoryCapture
from spo_trace.memory.dump import kernel_of, open_dump
from tests.oracle.captures import read
from tests.vm import guest, kernels
from tests.vm.makedumpfile import LEVELS, check_filtered, has_makedumpfile
from tests.vm.memory_records import records, with_stacks
from tests.vm.memory_text import write
from tests.vm.qemu import Machine
from tests.vm.support import JOBS

pytestmark = pytest.mark.vm

KERNEL = "7.2-spo-full"


def test_owners_in_the_memory_of_a_crashed_kernel(tmp_path: Path) -> None:
    try:
        kernel = kernels.find(KERNEL)
    except kernels.KernelMissing as missing:
        pytest.skip(str(missing))
    if shutil.which("kexec") is None:
        pytest.skip("kexec is not installed (Debian: kexec-tools)")
    machine = Machine(kernel, "page_owner=on,swap crashkernel=176M", memory_mib=640, disks_mib=(64,))
    job = (JOBS / "crash.sh").read_text()
    guest.run(machine, job, tmp_path, environment={"KERNEL": str(kernel)})
    check(tmp_path)
    if has_makedumpfile():
        for level in LEVELS:
            check_filtered(tmp_path / "vmcore.crash", tmp_path / "captures" / "crash", level, tmp_path)


def check(out: Path) -> None:
    """Compare the dump with the text that the kernel printed before it crashed."""
    with (out / "vmcore.crash").open("rb") as file:
        capture = MemoryCapture(kernel_of(open_dump(file)))
        write(capture, out / "captures" / "crash")
        used, facts = capture.swap_count.used, capture.facts
    before, crash = out / "captures" / "before", out / "captures" / "crash"
    # Nothing was swapped out or in meanwhile.
    swap = records(read(before, "swap_page_owner"), "swap_page_owner")
    assert len(swap) > 5000
    assert records(with_stacks(crash, "swap_page_owner"), "swap_page_owner") == swap
    assert used == len(swap)
    # Some pages were freed, and others allocated: by kexec, and by the shell.
    pages = records(read(before, "page_owner"), "page_owner")
    mine = records(with_stacks(crash, "page_owner"), "page_owner")
    assert sum(mine.get(number) == record for number, record in pages.items()) > 0.97 * len(pages)
    assert facts["boot_id"] == read(before, "boot_id")
    assert float(facts["uptime"].split()[0]) >= float(read(before, "uptime").split()[0])
