# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debugfs that is mounted on another directory, or on several: doctor and the live source use it."""

import os
from pathlib import Path

import pytest

from spo_trace.machine.check import State
from spo_trace.machine.facts import Machine
from spo_trace.machine.needs import snapshot_needs, why_no_page_owner
from tests.collectors import collected_of, this_machine
from tests.support import capture, entry, page

USUAL = b"30 23 0:7 / /sys/kernel/debug rw,nosuid shared:12 - debugfs debugfs rw\n"
ELSEWHERE = b"40 23 0:7 / /mnt/my\\040debug rw - debugfs none rw\n"
NAMED_IN_LATIN_1 = b"41 23 0:7 / /mnt/d\xe9bug rw - debugfs none rw\n"
PART = b"42 23 0:7 /tracing /sys/kernel/debug rw - debugfs none rw\n"
HIDING = b"43 23 0:9 / /sys/kernel/debug rw - tmpfs tmpfs rw\n"

CASES = {
    "elsewhere": ([ELSEWHERE], "mnt/my debug", "mnt/my debug"),
    "bytes that are no UTF-8": ([NAMED_IN_LATIN_1], os.fsdecode(b"mnt/d\xe9bug"), os.fsdecode(b"mnt/d\xe9bug")),
    "twice": ([ELSEWHERE, USUAL], "mnt/my debug sys/kernel/debug", "sys/kernel/debug"),
    "twice, one without page_owner": ([USUAL, ELSEWHERE], "mnt/my debug", "mnt/my debug"),
    "the usual one hidden": ([USUAL, HIDING, ELSEWHERE], "mnt/my debug", "mnt/my debug"),
    "a part of it on the usual directory": ([PART, ELSEWHERE], "mnt/my debug", "mnt/my debug"),
}


def machine_of(root: Path, mounts: list[bytes], directories: list[str]) -> Machine:
    """Return a machine with page_owner and its files in these directories."""
    files = {"proc/self/mountinfo": b"".join(mounts), "proc/cmdline": b"page_owner=on,swap\n"}
    for directory in directories:
        files |= {
            f"{directory}/page_owner": page(),
            f"{directory}/swap_page_owner": entry(1),
            f"{directory}/page_owner_stacks/show_stacks": b" a+0x1/0x2\nnr_base_pages: 3\n\n",
        }
    return Machine(capture(root, files), euid=0)


def directories_of(given: str) -> list[str]:
    return given.replace("my debug", "my_debug").replace(" ", "\n").replace("my_debug", "my debug").split("\n")


@pytest.mark.parametrize("case", CASES)
def test_doctor_and_the_source_find_it(tmp_path: Path, case: str) -> None:
    mounts, directories, expected = CASES[case]
    machine = machine_of(tmp_path, mounts, directories_of(directories))
    # WHEN doctor checks, THEN everything is there
    found = {str(check.code): check for check in snapshot_needs(machine)}
    assert found["debugfs"].found == f"debugfs is mounted on /{expected}"
    states = {found[code].state for code in ("debugfs", "page_owner", "swap_page_owner", "page_owner_stacks")}
    assert states == {State.OK}
    assert why_no_page_owner(machine) is None
    # AND the source reads the files there
    (tmp_path / "made").mkdir()
    source = collected_of(tmp_path, tmp_path / "made")
    for name in ("page_owner", "swap_page_owner", "show_stacks"):
        assert source.open(name) is not None
    assert this_machine(tmp_path).open("show_stacks") is not None


def test_a_mount_that_may_not_be_searched_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = machine_of(tmp_path, [USUAL, ELSEWHERE], ["sys/kernel/debug", "mnt/my debug"])
    real = Path.stat

    def stat(path: Path, **options: bool) -> os.stat_result:
        if "sys/kernel/debug" in str(path):
            raise PermissionError(13, "Permission denied")
        return real(path, **options)

    monkeypatch.setattr(Path, "stat", stat)
    assert machine.debugfs == "mnt/my debug"


def test_without_a_mount_the_usual_directory_is_named(tmp_path: Path) -> None:
    assert machine_of(tmp_path, [], []).debugfs == "sys/kernel/debug"
