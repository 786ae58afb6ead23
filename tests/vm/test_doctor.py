# SPDX-License-Identifier: LGPL-2.1-or-later
"""`spo-trace doctor` on incomplete machines: it shows each gap and its fix, and snapshot gives the same cause."""

import re
from pathlib import Path

import pytest

from tests.vm.support import Guest, boot

pytestmark = pytest.mark.vm

# doctor NAME: write its output and exit status to the log, between lines with the name; snapshot NAME: the same, into
# a directory that every user may write
JOB = r"""
mkdir -m 1777 /run/all
doctor() { echo "== $1"; shift; "$@" spo-trace doctor 2>&1; echo "exit $?"; }
snapshot() { echo "== $1"; shift; "$@" spo-trace snapshot -o "${to:-/run/all}/now.spo" $method 2>&1; echo "exit $?"; }
"""

AS_NOBODY = r"""
. "$VM/jobs/as_others.sh"
doctor 'not root' setpriv --reuid 65534 --regid 65534 --clear-groups
snapshot 'snapshot, not root' setpriv --reuid 65534 --regid 65534 --clear-groups
"""


def answers(guest: Guest) -> dict[str, str]:
    """Return the output of doctor by the names that the job gave."""
    return dict(part.split("\n", 1) for part in guest.log.split("== ")[1:])


def one(name: str, cmdline: str, out: Path) -> str:
    """Return the output of doctor on this kernel with this command line."""
    return answers(boot(name, cmdline, JOB + "doctor it", out, disks_mib=()))["it"]


@pytest.fixture(scope="module")
def patched(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    job = JOB + "doctor ready\n" + AS_NOBODY + "umount /sys/kernel/debug/tracing 2> /dev/null\n"
    job += "umount /sys/kernel/debug\ndoctor 'no debugfs'\nmethod='--method text' snapshot 'text, no debugfs'\n"
    job += "snapshot 'memory, no debugfs'\nrm -r /run/all/now.spo\n"
    job += (
        "mkdir -p /run/debug && mount -t debugfs debugfs /run/debug\ndoctor elsewhere\nsnapshot 'snapshot, elsewhere'\n"
        "to=/tmp snapshot 'snapshot, overlay'\n"
    )
    out = tmp_path_factory.mktemp("doctor")
    return answers(boot("7.2-spo", "page_owner=on,swap", job, out, disks_mib=()))


def test_a_patched_kernel_that_tracks_swap_is_ready(patched: dict[str, str]) -> None:
    said = patched["ready"]

    needs, _, trace = said.partition("trace (")
    assert "MISSING" not in said and "optional" not in needs
    assert "ok        swap functions: the kernel has swap_writeout" in trace
    assert said.endswith("exit 0\n")


def test_without_root_doctor_suggests_sudo(patched: dict[str, str]) -> None:
    said = patched["not root"]

    assert "MISSING   root: running as uid 65534, not root" in said
    assert "sudo" in said
    # Everything that can be checked without root is shown.
    assert "enabled by page_owner=on,swap" in said
    assert said.endswith("exit 1\n")


def test_without_root_snapshot_suggests_sudo(patched: dict[str, str]) -> None:
    said = patched["snapshot, not root"]

    assert "page_owner can't be read: running as uid 65534, not root\n" in said
    assert "run it with sudo" in said
    assert said.endswith("exit 1\n")


def test_without_debugfs_doctor_shows_how_to_mount_it(patched: dict[str, str]) -> None:
    said = patched["no debugfs"]

    instead = "owners are read from memory instead\n"
    assert f"ok        debugfs: debugfs is not mounted on /sys/kernel/debug; {instead}" in said
    assert re.search(rf"^ok        page_owner: .*; {instead}", said, re.MULTILINE)
    assert "mount -t debugfs debugfs /sys/kernel/debug" in said
    assert "compiled code" in said and "trace (" in said
    assert said.endswith("exit 0\n")


def test_without_debugfs_snapshot_shows_the_cause(patched: dict[str, str]) -> None:
    said = patched["text, no debugfs"]

    assert "there is no page_owner to read: debugfs is not mounted on /sys/kernel/debug\n" in said
    assert "hint: mount -t debugfs debugfs /sys/kernel/debug\n" in said


def test_without_debugfs_snapshot_reads_memory(patched: dict[str, str]) -> None:
    said = patched["memory, no debugfs"]

    assert re.search(r"Wrote /run/all/now\.spo: \d+,\d{3} page_owner records", said)
    assert (
        "not compared with page_owner: /sys/kernel/debug/page_owner cannot be read: No such file or directory" in said
    )


def test_debugfs_elsewhere_is_found(patched: dict[str, str]) -> None:
    said = patched["elsewhere"]
    assert "ok        debugfs: debugfs is mounted on /run/debug\n" in said
    assert "ok        page_owner: page_owner can be read\n" in said
    assert said.endswith("exit 0\n")


def test_a_snapshot_reads_debugfs_elsewhere(patched: dict[str, str]) -> None:
    assert "Wrote /run/all/now.spo" in patched["snapshot, elsewhere"]


def test_where_directories_cannot_be_renamed_snapshot_says_so(patched: dict[str, str]) -> None:
    # The guest's /tmp is an overlay whose upper layer, a tmpfs, has no extended attributes.
    assert patched["snapshot, overlay"] == (
        "spo-trace: error: /tmp/now.spo can't be written: Invalid cross-device link\n"
        "  hint: this file system cannot rename directories: choose a directory on another one with -o\n"
        "exit 1\n"
    )


def test_page_owner_on_without_swap_is_ready_and_the_step_for_swap_is_shown(tmp_path: Path) -> None:
    said = one("7.2-spo", "page_owner=on", tmp_path)

    assert "ok        page_owner" in said
    assert "optional  swap_page_owner" in said
    assert "page_owner=on,swap" in said
    assert said.endswith("exit 0\n")


def test_on_a_kernel_booted_without_page_owner_the_cause_is_shown(tmp_path: Path) -> None:
    job = JOB + "doctor it\nsnapshot snapshot\n"
    said = answers(boot("7.2-spo", "quiet", job, tmp_path, disks_mib=()))

    for text in said.values():
        assert "page_owner is built in, but not enabled" in text
        assert "add page_owner=on,swap to the kernel's command line" in text
        assert "exit 1\n" in text


def test_debugfs_disabled_at_boot_is_reported(tmp_path: Path) -> None:
    job = JOB + "umount /sys/kernel/debug 2> /dev/null\ndoctor it\nmethod='--method text' snapshot snapshot\n"
    said = answers(boot("7.2-spo", "page_owner=on debugfs=off", job, tmp_path, disks_mib=()))

    for text in said.values():
        assert "debugfs is disabled by debugfs=off on the kernel's command line" in text
    assert "exit 0\n" in said["it"] and "exit 1\n" in said["snapshot"]


def test_on_a_stock_kernel_with_swap_requested_missing_support_is_reported(tmp_path: Path) -> None:
    said = one("7.2-stock", "page_owner=on,swap", tmp_path)

    assert "optional  swap_page_owner" in said
    assert "use a kernel with the swap_page_owner patches" in said
    assert said.endswith("exit 0\n")


def test_on_a_kernel_without_page_owner_another_kernel_is_suggested(tmp_path: Path) -> None:
    said = one("7.2-no-page-owner", "page_owner=on", tmp_path)

    assert "MISSING   page_owner" in said
    assert "CONFIG_PAGE_OWNER" in said
    assert said.endswith("exit 1\n")


def test_lockdown_does_not_prevent_root_from_reading(tmp_path: Path) -> None:
    job = JOB + "dmesg | grep 'Kernel is locked down' || exit 77; doctor it; spo-trace snapshot -o /run/now.spo"
    guest = boot("7.2-lockdown", "page_owner=on lockdown=confidentiality", job, tmp_path, disks_mib=())

    # Files with mode 0400 that have no write operation may be read (358fcf5ddbec, since 5.17 and in stable 5.15).
    assert "Kernel is locked down" in guest.log
    assert "ok        page_owner" in answers(guest)["it"]
    assert "Wrote /run/now.spo" in guest.log
