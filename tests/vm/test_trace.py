# SPDX-License-Identifier: LGPL-2.1-or-later
"""The probes on real kernels: on a patched one they say what it says; on others dd keeps its memory over swap."""

from collections import Counter
from pathlib import Path

import pytest

import spo_trace as spo
from spo_trace.snapshots.reader import Snapshot
from tests.vm import guest, kernels
from tests.vm.qemu import Machine

pytestmark = pytest.mark.vm

JOBS = Path(__file__).parent / "jobs"
MIB = 1 << 20
COMPLAINTS = ("WARNING:", "BUG:", "Oops", "refcount", "Call Trace", "oom-kill")
# Of the emulated processor, the compiler and the verifier take a minute, each snapshot half a minute.
TIME_LIMIT = 900

Owner = tuple[int, int, str, int, str]


def run(name: str, cmdline: str, job: str, out: Path, memory_mib: int) -> guest.Outcome:
    """Run a job; see that nothing of the probes is left then, and that the kernel has nothing to complain of."""
    try:
        machine = Machine(kernels.find(name), cmdline, memory_mib, processors=1)
    except kernels.KernelMissing as missing:
        pytest.skip(str(missing))
    outcome = guest.run(machine, (JOBS / job).read_text(), out, time_limit=TIME_LIMIT)
    assert (out / "left").read_text() == "0 hooked, 0 programs, lock \n"
    dmesg = (out / "dmesg").read_text(errors="replace").splitlines()
    assert [line for line in dmesg if any(complaint in line for complaint in COMPLAINTS)] == []
    return outcome


def owners(path: Path) -> dict[int, Owner]:
    """Return what a snapshot says of each swap entry: pid, tgid, comm, ts_nsec and stack."""
    snap = spo.open(path)
    stacks = [";".join(frames) for frames in snap.stacks["frames"]]
    swap = snap.swap
    rows = zip(swap["pid"], swap["tgid"], swap["comm"], swap["ts_nsec"], swap["stack_id"], strict=True)
    said = [(int(pid), int(tgid), str(comm), int(ts), stacks[number]) for pid, tgid, comm, ts, number in rows]
    return dict(zip(map(int, swap["swp_entry"]), said, strict=True))


def compared(out: Path, stage: str) -> Counter[tuple[str, str]]:
    """Count the entries by how the kernel's answer and the probes', before and after it, go together, and by comm."""
    before, kernel, after = (owners(out / f"{stage}-{name}.spo") for name in ("1-bpf", "2-debugfs", "3-bpf"))
    answers = [[said.get(entry) for said in (before, kernel, after)] for entry in {*before, *kernel, *after}]
    return Counter((_class(*three), next(owner[2] for owner in three if owner)) for three in answers)


def _class(before: Owner | None, kernel: Owner | None, after: Owner | None) -> str:
    if before == kernel == after:
        return "same"
    # Written, freed or used for another page between the answers: the probes changed their mind too.
    if before != after:
        return "changed meanwhile" if kernel in (before, after) else "changed twice meanwhile"
    if kernel is None:
        # In memory when the kernel was asked, and then in the same entry again, with the owner that it keeps.
        return "away meanwhile"
    return "another owner" if before else "there meanwhile"


def test_on_the_patched_kernel_both_answers_are_the_same(tmp_path: Path) -> None:
    run("7.2-spo", "page_owner=on,swap", "trace_varied.sh", tmp_path, 760)
    swapped, partial = (compared(tmp_path, stage) for stage in ("swapped", "partial"))
    # Nothing was swapped while the first answers were given.
    assert {kind for kind, _ in swapped} == {"same"}
    assert swapped.total() > 30 * MIB // 4096
    assert {comm for _, comm in swapped} >= {"huge", r"x), ts 9 ns\n", "forker", "dd"}
    # While the second were, one process went out and in, and whoever needed its memory's place.
    assert sum(number for (kind, _), number in partial.items() if kind == "same") > 1000
    assert "another owner" not in {kind for kind, _ in partial}
    assert {comm for kind, comm in partial if kind in ("away meanwhile", "there meanwhile")} <= {"python"}
    kinds = {entry >> 58 for entry in owners(tmp_path / "swapped-1-bpf.spo")}
    assert kinds == {0, 1}
    left = owners(tmp_path / "one-1-bpf.spo")
    assert left == owners(tmp_path / "one-2-debugfs.spo")
    assert {entry >> 58 for entry in left} == {0}
    assert owners(tmp_path / "none-1-bpf.spo") == owners(tmp_path / "none-2-debugfs.spo") == {}


@pytest.mark.parametrize("name", ["7.2-spo", "7.2-stock", "6.12-stock", "6.1-stock"])
def test_without_the_patches_dd_keeps_its_memory_over_swap(name: str, tmp_path: Path) -> None:
    run(name, "page_owner=on", "trace.sh", tmp_path, 640)
    swapped, back, swapoff = (spo.open(tmp_path / f"{stage}-1-bpf.spo") for stage in ("swapped", "back", "swapoff"))
    for snap in (swapped, back, swapoff):
        # In the swap cache a page is in memory and in swap.
        assert 0.98 * 256 * MIB < sum(bytes_of(snap, "dd")) < 1.02 * 256 * MIB + snap.meta["meminfo"]["SwapCached"]
        assert snap.meta["warnings"] == []
        assert snap.meta["swap_owner"]["unknown_pages"] == 0
    assert bytes_of(swapped, "dd")[1] > 100 * MIB
    pages = back.pages
    # The kernel itself says that they are cat's.
    came_back = pages[pages["kernel_comm"] == "cat"]
    assert len(came_back) * 4096 > 100 * MIB
    assert (came_back["comm"] == "dd").mean() > 0.98


def bytes_of(snap: Snapshot, comm: str) -> tuple[int, int]:
    """Return the bytes in memory and in swap that a name owns."""
    table = spo.attribute(snap, by="comm")
    rows = table[table["comm"] == comm]
    return int(rows["mem_bytes"].sum()), int(rows["swap_bytes"].sum())
