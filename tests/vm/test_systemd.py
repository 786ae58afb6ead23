# SPDX-License-Identifier: LGPL-2.1-or-later
"""The units of contrib/systemd in a fresh machine of Debian 13, which its own systemd boots."""

import re

import pytest

import spo_trace as spo
from tests.vm import guest, kernels, userland
from tests.vm.qemu import Machine
from tests.vm.support import JOBS, TOLERANCE, Guest

pytestmark = pytest.mark.vm

# Services of the type oneshot. contrib/README.md lists all.
ONCE = ("spo-trace-snapshot", "spo-trace-textfile", "spo-trace-fleet")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Guest:
    """Return the guest in which every unit was started."""
    try:
        kernel, tree = kernels.find("7.2-systemd"), userland.find_fresh("trixie")
    except (kernels.KernelMissing, userland.UserlandMissing) as missing:
        pytest.skip(str(missing))
    if not (tree / "usr" / "lib" / "systemd" / "systemd").exists():
        pytest.skip(f"{tree} has no systemd: sudo make vm-fresh SUITES=trixie")
    job, out = (JOBS / "units.sh").read_text(), tmp_path_factory.mktemp("units")
    machine = Machine(kernel, "page_owner=on", memory_mib=1200)
    return Guest("7.2-systemd", guest.run(machine, job, out, userland=tree, systemd=True))


def test_every_service_succeeds(ran: Guest) -> None:
    assert re.findall(r"^(\S+)\.service: success 0$", ran.log, re.MULTILINE) == list(ONCE), ran.log
    # Those that serve until they are stopped: SIGTERM is no failure.
    assert "success success" in ran.log.splitlines()
    ran.check_kernel()


def test_the_snapshot_has_the_owners_that_the_trace_kept(ran: Guest) -> None:
    (path,) = ran.out.glob("*.spo")
    snap = spo.open(path)
    assert snap.meta.swap_owner.origin == "bpf"
    owners = spo.attribute(snap, by=["comm"]).set_index("comm")
    kernel = int(ran.figures["out", "swap"]) * 1024
    assert owners.loc["owner", "swap_bytes"] == pytest.approx(kernel, rel=TOLERANCE)
    # The confined service may read the kernel's memory.
    assert snap.meta.method == "memory"


def test_metrics_and_fleet_have_the_same_owner(ran: Guest) -> None:
    for name in ("spo-trace.prom", "metrics"):
        text = (ran.out / name).read_text()
        (swapped,) = re.findall(r'^spo_trace_comm_swap_bytes\{comm="owner"\} (\S+)', text, re.MULTILINE)
        assert float(swapped) == pytest.approx(int(ran.figures["out", "swap"]) * 1024, rel=TOLERANCE), name
    (row,) = spo.fleet.open(ran.out / "fleet").catalog.rows.to_pylist()
    assert row["kernel"] == "7.2.13-spo"


def test_files_are_private_and_old_snapshots_are_removed(ran: Guest) -> None:
    listed = [line.split() for line in ran.log.splitlines() if line.startswith("root ")]
    found = {path: mode for _, mode, path in listed}
    (snapshot,) = (name for name in found if name.endswith(".spo"))
    assert found == {
        "/var/lib/spo-trace": "700",
        snapshot: "700",
        f"{snapshot}/pages.parquet": "600",
        "/var/lib/prometheus/node-exporter/spo-trace.prom": "644",
    }
