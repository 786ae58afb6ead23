# SPDX-License-Identifier: LGPL-2.1-or-later
"""Python and spo-trace on arm64 with pages of 4 and 64 KiB: a live snapshot, and refusals with a reason."""

import json

import pytest

import spo_trace as spo
from tests.vm import kernels, userland
from tests.vm.arm64 import guest
from tests.vm.support import Guest, keys

pytestmark = pytest.mark.vm

PAGE_SIZES = {"7.2-arm64-4k": 4096, "7.2-arm64-64k": 65536}


@pytest.fixture(scope="module", params=PAGE_SIZES)
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Guest:
    out, job = tmp_path_factory.mktemp(request.param), guest.HERE / "platform.sh"
    try:
        kernel, tree = kernels.find_arm64(request.param), userland.find_arm64()
        outcome = guest.run(kernel, "page_owner=on,swap", job, out, memory_mib=900, tree=tree)
    except (kernels.KernelMissing, guest.ToolMissing, userland.UserlandMissing) as missing:
        pytest.skip(str(missing))
    return Guest(request.param, outcome)


def said(machine: Guest, name: str) -> tuple[int, str]:
    """Return the exit code of a command and its output."""
    text, _, status = (machine.out / f"{name}.log").read_text().rpartition("status ")
    return int(status), text


def test_a_snapshot_has_the_records_that_cat_prints(machine: Guest) -> None:
    assert said(machine, "snapshot")[0] == 0, said(machine, "snapshot")
    snap = spo.open(machine.out / "now.spo")
    assert snap.meta.machine.page_size == PAGE_SIZES[machine.name]
    assert (snap.meta.machine.arch, snap.meta.method) == ("aarch64", "text")
    found = list(zip(snap.pages["pfn"].astype("uint64"), snap.pages["ts_nsec"].astype("uint64"), strict=True))
    before, after = (keys(machine.stage(name), "page_owner") for name in ("before", "after"))
    assert (before & after) - set(found) == set()
    assert len(before & after) >= 0.8 * len(before)
    assert len(set(found)) == len(found)


def test_its_memory_is_balanced(machine: Guest) -> None:
    assert said(machine, "verify")[0] == 0, said(machine, "verify")


def test_doctor_says_what_is_possible(machine: Guest) -> None:
    assert said(machine, "doctor")[0] == 0
    answer = json.loads((machine.out / "doctor.json").read_text())
    assert (answer["snapshot"], answer["trace"]) == ("possible", "impossible")
    # Only the kernel with pages of 64 KiB has its configuration in /proc/config.gz.
    (bpf,) = [check["status"] for check in answer["checks"] if check["code"] == "trace_bpf"]
    assert bpf == ("missing" if machine.name.endswith("64k") else "unknown")


@pytest.mark.parametrize("name", ["trace-libbpf/traced", "trace-bcc/traced", "memory"])
def test_what_is_impossible_is_refused_with_a_reason(machine: Guest, name: str) -> None:
    status, text = said(machine, name)
    assert status == 1
    assert "spo-trace: error: " in text and "\n  hint: " in text
    assert "Traceback" not in text


def test_the_kernel_logs_no_warnings(machine: Guest) -> None:
    machine.check_kernel()
