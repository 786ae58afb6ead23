# SPDX-License-Identifier: LGPL-2.1-or-later
"""`spo-trace doctor` on machines that lack this or that: it says what, and the step that mends it."""

from pathlib import Path

import pytest

from tests.vm.support import Guest, boot

pytestmark = pytest.mark.vm

# doctor NAME: its answer and exit status into the log, between lines that name it
JOB = r"""
doctor() { echo "== $1"; shift; "$@" spo-trace doctor 2>&1; echo "exit $?"; }
"""

AS_NOBODY = r"""
. "$VM/jobs/as_others.sh"
doctor 'not root' setpriv --reuid 65534 --regid 65534 --clear-groups
"""


def answers(guest: Guest) -> dict[str, str]:
    """Return what doctor said, by the names that the job gave."""
    return dict(part.split("\n", 1) for part in guest.log.split("== ")[1:])


def one(name: str, cmdline: str, out: Path) -> str:
    """Return what doctor says on that kernel, booted so."""
    return answers(boot(name, cmdline, JOB + "doctor it", out, disks_mib=()))["it"]


@pytest.fixture(scope="module")
def patched(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    job = JOB + "doctor ready\n" + AS_NOBODY + "umount /sys/kernel/debug/tracing 2> /dev/null\n"
    job += "umount /sys/kernel/debug\ndoctor 'no debugfs'\n"
    out = tmp_path_factory.mktemp("doctor")
    return answers(boot("7.2-spo", "page_owner=on,swap", job, out, disks_mib=()))


def test_a_patched_kernel_that_tracks_swap_is_ready(patched: dict[str, str]) -> None:
    said = patched["ready"]

    assert "MISSING" not in said and "optional" not in said
    assert said.endswith("exit 0\n")


def test_without_root_it_says_sudo(patched: dict[str, str]) -> None:
    said = patched["not root"]

    assert "MISSING   root: no, this is uid 65534" in said
    assert "sudo" in said
    assert said.endswith("exit 1\n")


def test_without_debugfs_it_says_how_to_mount_it(patched: dict[str, str]) -> None:
    said = patched["no debugfs"]

    assert "MISSING   debugfs" in said
    assert "mount -t debugfs debugfs /sys/kernel/debug" in said
    assert said.endswith("exit 1\n")


def test_page_owner_on_without_swap_is_ready_and_says_how_to_get_swap(tmp_path: Path) -> None:
    said = one("7.2-spo", "page_owner=on", tmp_path)

    assert "ok        page_owner" in said
    assert "optional  swap_page_owner" in said
    assert "page_owner=on,swap" in said
    assert said.endswith("exit 0\n")


def test_a_kernel_that_is_not_booted_with_page_owner_says_so(tmp_path: Path) -> None:
    said = one("7.2-spo", "quiet", tmp_path)

    assert "MISSING   page_owner" in said
    assert "page_owner=on" in said
    assert "CONFIG_PAGE_OWNER=y is needed" not in said
    assert said.endswith("exit 1\n")


def test_a_stock_kernel_that_was_asked_for_swap_says_that_it_can_not(tmp_path: Path) -> None:
    said = one("7.2-stock", "page_owner=on,swap", tmp_path)

    assert "optional  swap_page_owner" in said
    assert "a kernel with the swap_page_owner patches" in said
    assert said.endswith("exit 0\n")


def test_a_kernel_without_page_owner_says_that_it_needs_another(tmp_path: Path) -> None:
    said = one("7.2-no-page-owner", "page_owner=on", tmp_path)

    assert "MISSING   page_owner" in said
    assert "CONFIG_PAGE_OWNER" in said
    assert said.endswith("exit 1\n")


def test_lockdown_does_not_keep_root_from_reading(tmp_path: Path) -> None:
    job = JOB + "dmesg | grep 'Kernel is locked down' || exit 77; doctor it; spo-trace snapshot -o /run/now.spo"
    guest = boot("7.2-lockdown", "page_owner=on lockdown=confidentiality", job, tmp_path, disks_mib=())

    # Files that are 0400 and can't be written to may be read (358fcf5ddbec, since 5.17 and in stable 5.15).
    assert "Kernel is locked down" in guest.log
    assert "ok        page_owner" in answers(guest)["it"]
    assert "Wrote /run/now.spo" in guest.log
