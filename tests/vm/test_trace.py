# SPDX-License-Identifier: LGPL-2.1-or-later
"""The probes on real kernels, loaded by libbpf and by bcc.

They agree with a patched kernel; on others, dd keeps its memory across swap.
"""

import re
from pathlib import Path

import pytest

import spo_trace as spo
from spo_trace.files.bundled import bpf_object, bpf_program
from spo_trace.snapshots.reader import Snapshot
from tests.vm import userland
from tests.vm.answers import compared, printed, snapped
from tests.vm.support import JOBS, MIB, Guest, boot

pytestmark = pytest.mark.vm

PAGE = 4096
CLEAN = "0 hooked, 0 kprobes, 0 programs, 0 maps, 0 links, 0 loaders"


def run(
    name: str,
    cmdline: str,
    job: str,
    out: Path,
    memory_mib: int,
    *,
    ending: str = "",
    headers: bool = True,
    loader: str | None = None,
    suite: str | None = None,
) -> Guest:
    """Run a job; check that the kernel logs no warnings and that nothing of the probes is left.

    With the loader libbpf, the guest has neither bcc nor headers.
    """
    if loader == "libbpf" and bpf_object() is None:
        pytest.skip("spo-trace was built without clang")
    text = f"ENDING={ending}\n{(JOBS / job).read_text()}"
    left = boot(name, cmdline, text, out, memory_mib=memory_mib, headers=headers, loader=loader, suite=suite)
    left.check_kernel()
    looked = [line.rpartition(": ")[2] for line in (out / "left").read_text().splitlines()]
    assert set(looked) == {CLEAN}
    return left


STAGES = ("swapped", "pressure-1", "pressure-2", "pressure-3", "one", "rfc-swapped", "rfc-back")
LOADERS = ("libbpf", "bcc")
BUSY = ("pressure-1", "pressure-2", "pressure-3", "snapshot")


@pytest.mark.parametrize("loader", LOADERS)
def test_on_the_patched_kernel_probes_and_kernel_agree(tmp_path: Path, loader: str) -> None:
    left = run("7.2-spo", "page_owner=on,swap", "trace_varied.sh", tmp_path, 800, loader=loader)
    said = {stage: printed(tmp_path / stage / "probes-1") for stage in STAGES}
    said["snapshot"] = snapped(tmp_path / "snapshot.spo")
    for stage, first in said.items():
        kinds = compared(tmp_path / stage, first)
        assert kinds["unexplained"] == 0, stage
        # After dd's file was swapped in, the little that remains in swap depends on reclaim.
        assert kinds["the same"] > (0 if stage == "rfc-back" else 1000), stage
        # There is activity while they are queried.
        assert stage not in BUSY or len(kinds) > 1, stage
    assert {owner[2] for owner in said["swapped"].values()} >= {"huge", r"x), ts 9 ns\n", "forker", "dd"}
    assert {entry >> 58 for entry in said["swapped"]} == {0, 1}
    assert {entry >> 58 for entry in said["one"]} == {0}
    assert sum(owner[2] == "dd" for owner in said["rfc-swapped"].values()) > 100 * MIB // PAGE
    assert printed(tmp_path / "none" / "probes-1") == printed(tmp_path / "none" / "kernel-1") == {}
    assert "4 programs attached and detached 100 times" in left.log


# This kernel has no BTF, so that the probes are kprobes.
@pytest.mark.parametrize("loader", LOADERS)
def test_a_second_trace_with_kprobes(tmp_path: Path, loader: str) -> None:
    run("7.2-stock", "page_owner=on", "trace_second.sh", tmp_path, 491, loader=loader)
    assert "(kprobes, loaded by" in (tmp_path / "trace.log").read_text()


# How the trace ends on each kernel.
ENDINGS = {"7.2-stock": "trace_ended", "6.12-stock": "trace_killed", "6.1-stock": "trace_full"}


@pytest.fixture(scope="module", params=[f"{name}-{loader}" for name in ENDINGS for loader in LOADERS])
def unpatched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Guest:
    name, _, loader = str(request.param).rpartition("-")
    out = tmp_path_factory.mktemp(request.param)
    return run(name, "page_owner=on", "trace.sh", out, 800, ending=ENDINGS[name], loader=loader)


def test_the_trace_takes_little_memory(unpatched: Guest) -> None:
    # Without the pages of files, which it shares with other processes.
    assert 0 < int(unpatched.figures["trace", "its own memory"]) * 1024 < 10 * MIB


def test_without_the_patches_dd_keeps_its_memory_across_swap(unpatched: Guest) -> None:
    swapped, back = (spo.open(unpatched.out / f"{stage}.spo") for stage in ("swapped", "back"))
    for snap in (swapped, back):
        # Pages in the swap cache are in memory and in swap.
        assert 0.98 * 256 * MIB < sum(bytes_of(snap, "dd")) < 1.02 * 256 * MIB + snap.meta.machine.meminfo["SwapCached"]
        assert snap.meta.warnings == []
    assert bytes_of(swapped, "dd")[1] > 100 * MIB
    pages = back.pages
    # According to the kernel itself, cat owns them.
    came_back = pages[pages["kernel_comm"] == "cat"]
    assert len(came_back) * PAGE > 100 * MIB
    assert (came_back["comm"] == "dd").mean() > 0.98


def test_swap_from_before_the_attach_is_reported(unpatched: Guest) -> None:
    snap = spo.open(unpatched.out / "swapped.spo")
    # Swap of the process that was swapped out before the attach and has been sleeping since.
    early = int(unpatched.figures["early", "swap"]) * 1024 // PAGE
    assert early > 0.9 * 8 * MIB // PAGE
    trace = snap.meta.swap_owner.trace
    assert trace is not None
    assert early <= trace.unknown_pages <= trace.used_at_attach
    table = spo.balance(snap)
    unknown = table[table["item"] == "unknown (before attach)"]["pages"].sum()
    assert early <= unknown <= trace.used_at_attach
    # A page of its stack may have been swapped out since, but none of those was swapped in.
    assert bytes_of(snap, "early")[1] < MIB


def test_a_page_whose_swap_in_was_missed_does_not_change_the_owner_of_its_entry(tmp_path: Path) -> None:
    run("6.12-stock", "page_owner=on", "trace_kept.sh", tmp_path, 640, loader="libbpf")
    snap = spo.open(tmp_path / "kept.spo")
    rows = snap.swap[snap.swap["comm"] == "kept"]
    assert len(rows) * PAGE > 0.9 * 8 * MIB
    trace, half = snap.meta.swap_owner.trace, 0.9 * 4 * MIB // PAGE
    assert trace is not None
    counters = trace.counters
    assert counters["restored_full"] > half
    assert counters["out_again"] > half
    # The first allocation of the pages, not their swap-in.
    by_swap_in = snap.stacks["frames"][rows["stack_id"]].map(lambda frames: "swap" in " ".join(frames))
    assert by_swap_in.mean() < 0.05


REFUSALS = {
    "user": ("only root may attach probes to the kernel", "run it with sudo"),
    "bcc": (
        "no bcc for Python 3.10 or later in /usr/bin/python3",
        "install bcc for the system's own Python: apt install",
    ),
    "libbpf": ("this system has no libbpf.so.1", "apt install libbpf1"),
    "neither": ("this system has no libbpf.so.1; no bcc for Python", "apt install libbpf1 (Debian, Ubuntu)"),
    "symbols": (
        "/proc/kallsyms hides the kernel's addresses",
        "run it as root, and not with sysctl kernel.kptr_restrict=2",
    ),
    "debugfs": ("debugfs is not mounted on /sys/kernel/debug", "mount -t debugfs debugfs /sys/kernel/debug"),
}


def test_the_end_of_the_trace(unpatched: Guest) -> None:
    if unpatched.name == "6.12-stock":
        unanswered = (unpatched.out / "unanswered").read_text()
        assert "error: the running trace exited before it answered\n  hint: restart it" in unanswered
        assert unanswered.endswith("status 1\n")
        headers = unpatched.out / "headers"
        # The directory is named after the loader.
        assert headers.exists() == ("bcc" in unpatched.out.name)
        if headers.exists():
            check_refusal(headers, "the BPF program cannot be compiled", "bcc needs the running kernel's headers")
    elif unpatched.name == "6.1-stock":
        check_full(unpatched.out)
    else:
        for name, (error, hint) in REFUSALS.items():
            check_refusal(unpatched.out / name, error, hint)
        assert (unpatched.out / "remains").read_text() == "lock\n"


def check_full(out: Path) -> None:
    """Check that the loss of most of 8 MiB in a map of 500 entries is reported."""
    snap, log = spo.open(out / "full.spo"), (out / "trace.log").read_text()
    assert 0 < snap.count("swap") <= 500
    trace = snap.meta.swap_owner.trace
    assert trace is not None
    lost = trace.lost_pages
    assert lost > 0.9 * 8 * MIB // PAGE - 500
    (warning,) = snap.meta.warnings
    assert re.fullmatch(r"probes: [\d,]+ owners lost: the map of swap entries was full", warning)
    table = spo.balance(snap)
    assert 0 < table[table["item"] == "lost"]["pages"].sum() <= lost
    assert "warning: can track 500 of " in log
    assert re.search(r"^ +[\d,]+ owners lost: the map of swap entries was full$", log, re.MULTILINE)


def check_refusal(said: Path, error: str, hint: str) -> None:
    """Check that a command failed with this error and this hint."""
    text = said.read_text()
    assert f"error: {error}" in text
    assert f"hint: {hint}" in text
    assert text.endswith("status 1\n")
    assert "Traceback" not in text


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("suite", userland.SUITES)
def test_other_versions_of_libbpf_bcc_and_clang_attach_and_record_owners(
    tmp_path: Path, suite: str, loader: str
) -> None:
    # GIVEN Debian 13 or sid, with the kernel's headers at the place of Debian's packages
    # WHEN 16 MiB of a process are swapped out during a trace, and half of them are swapped in
    left = run("7.2-spo", "page_owner=on", "trace_userland.sh", tmp_path, 800, loader=loader, suite=suite)
    # THEN the snapshots have their owner, both in swap and in memory again
    log = (tmp_path / "trace.log").read_text()
    hooks = "swap_writeout, swap_read_folio, zswap_invalidate, __folio_copy_owner"
    assert f"Attached to {hooks} (fentry, loaded by {loader} " in log
    assert re.search(
        r"^Checked: the owners of [1-9]\d* pages read from kernel memory match page_owner$", log, re.MULTILINE
    )
    gone, left_there = (int(left.figures[way, "swap"]) * 1024 for way in ("out", "in"))
    assert gone > 0.9 * 16 * MIB
    swapped, back = (spo.open(tmp_path / f"{stage}.spo") for stage in ("swapped", "back"))
    assert bytes_of(swapped, "owner")[1] == gone
    assert bytes_of(back, "owner")[1] == left_there < 0.7 * gone
    came_back = back.pages[back.pages["swapped"] & (back.pages["comm"] == "owner")]
    assert len(came_back) * PAGE == gone - left_there
    # AND events are counted by owner
    assert re.search(r"^\d\d:\d\d:\d\d  owner +[\d,]+ +[\d,]+ +[\d,]+$", log, re.MULTILINE)
    assert (tmp_path / "program.c").read_text() == bpf_program().read_text()
    if loader == "libbpf":
        return
    # AND programs whose names bcc rejects are reported with the version of bcc
    bcc = (tmp_path / "versions").read_text().splitlines()[-1]
    check_refusal(
        tmp_path / "naming",
        "the BPF program cannot be loaded: ",
        f"please report it with all output above: {bcc}",
    )
    assert not re.search("root|lockdown", (tmp_path / "naming").read_text())


@pytest.mark.parametrize(
    ("suite", "loader"), [(None, "libbpf"), (None, "bcc"), *((suite, "bcc") for suite in userland.SUITES)]
)
def test_without_page_owner_events_are_counted(tmp_path: Path, suite: str | None, loader: str) -> None:
    # bcc uses the headers embedded in the kernel.
    left = run(
        "6.12-stock", "page_owner=off", "trace_events.sh", tmp_path, 640, headers=False, loader=loader, suite=suite
    )
    log = (tmp_path / "trace.log").read_text()
    assert "warning: page_owner is off: only events are counted, with the stack of the swap-out" in log
    counted = {
        what: int(number.replace(",", "")) for number, what in re.findall(r"^ +([\d,]+) (.*)$", log, re.MULTILINE)
    }
    gone, left_there = (int(left.figures[way, "swap"]) * 1024 // PAGE for way in ("out", "in"))
    assert counted["pages written to swap"] == gone > 0.9 * 16 * MIB // PAGE
    assert counted["pages read from swap"] == gone - left_there > 0
    # Swap-outs: process that had mapped the pages, stack that wrote them. Swap-ins: task that accessed them.
    blocks = re.findall(
        r"^\d\d:\d\d:\d\d  (.*?)  +(\d+) +(\d+) +(\d+)\n((?:    .*\n)*)", log.replace(",", ""), re.MULTILINE
    )
    out = [(comm, stack.split()[0]) for comm, pages, _, _, stack in blocks if int(pages)]
    assert (r"the\nowner", "swap_writepage") in [(comm, frame.partition("+")[0]) for comm, frame in out]
    assert any(comm == r"the\nowner ?" and int(pages) for comm, _, pages, _, _ in blocks)
    check_refusal(
        tmp_path / "owners",
        "no owners of swap from probes: the running trace has no owners: page_owner is not on",
        "boot with page_owner=on",
    )


def test_a_locked_kernel(tmp_path: Path) -> None:
    # In integrity mode BPF may read the kernel's memory, in confidentiality mode it may not.
    run("7.2-lockdown", "page_owner=on", "trace_lockdown.sh", tmp_path, 640)
    lockdown = "kernel lockdown (confidentiality) does not allow BPF to read"
    check_refusal(tmp_path / "told", lockdown, "boot without lockdown=confidentiality")
    # Also without securityfs, because the kernel itself is queried.
    check_refusal(tmp_path / "unseen", lockdown, "boot without lockdown=confidentiality")


def test_a_kernel_without_symbols(tmp_path: Path) -> None:
    # The kernel of the doctor tests is small.
    job = '. "$VM/jobs/trace_helpers.sh"; refused symbols spo-trace trace'
    boot("7.2-no-page-owner", "", job, tmp_path, disks_mib=())
    check_refusal(tmp_path / "symbols", "the kernel has no /proc/kallsyms", "use a kernel with CONFIG_KALLSYMS_ALL=y")


def bytes_of(snap: Snapshot, comm: str) -> tuple[int, int]:
    """Return the bytes in memory and in swap of a comm."""
    table = spo.attribute(snap, by="comm")
    rows = table[table["comm"] == comm]
    return int(rows["mem_bytes"].sum()), int(rows["swap_bytes"].sum())
