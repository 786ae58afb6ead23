# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks of what a snapshot needs, on trees of files that stand for machines in various states."""

import errno
import gzip
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spo_trace.formats.missing import Missing
from spo_trace.machine.check import Check, CheckCode, State
from spo_trace.machine.facts import Machine
from spo_trace.machine.needs import snapshot_needs, why_no_page_owner
from tests.support import capture, entry, page

DEBUGFS_MOUNT = b"30 23 0:7 / /sys/kernel/debug rw,nosuid shared:12 - debugfs debugfs rw\n"
MOUNTED = {"proc/self/mountinfo": DEBUGFS_MOUNT}
OWNER = {"sys/kernel/debug/page_owner": page()}
BOOTED = {"proc/cmdline": b"quiet page_owner=on\n"}
ON = MOUNTED | OWNER | BOOTED
RELEASE = {"proc/sys/kernel/osrelease": b"6.1.0\n"}
BOOT = "add page_owner=on to the kernel's command line (GRUB_CMDLINE_LINUX, then update-grub) and reboot"
EITHER = "page_owner=on (page_owner=on,swap if the kernel has the swap_page_owner patches)"

Files = dict[str, bytes]


def checks(root: Path, files: Files, *, euid: int = 0) -> dict[str, Check]:
    """Return the checks by their codes."""
    return {check.code: check for check in snapshot_needs(Machine(capture(root, files), euid=euid))}


def failing(number: int) -> Callable[..., bytes]:
    """Return a function that fails as a system call does."""

    def call(*_: object) -> bytes:
        raise OSError(number, os.strerror(number))

    return call


def test_a_machine_that_meets_all_needs(tmp_path: Path) -> None:
    more = {
        "sys/kernel/debug/swap_page_owner": entry(1),
        "sys/kernel/debug/page_owner_stacks/show_stacks": b"",
        "sys/kernel/security/lockdown": b"[none] integrity confidentiality\n",
    }
    found = checks(tmp_path, ON | more)
    assert [*found] == ["root", "debugfs", "lockdown", "page_owner", "swap_page_owner", "page_owner_stacks"]
    assert {(check.state, check.fix, check.cause) for check in found.values()} == {(State.OK, "", None)}


def test_all_gaps_are_reported_at_once(tmp_path: Path) -> None:
    # GIVEN a machine without root, without debugfs, whose kernel lacks page_owner
    files = RELEASE | {"boot/config-6.1.0": b"CONFIG_MMU=y\n", "proc/filesystems": b"nodev\tdebugfs\n"}
    # WHEN it is checked, THEN each gap has its own cause and fix
    found = checks(tmp_path, files, euid=1000)
    gaps = {check.code: check.cause for check in found.values() if check.state is State.MISSING}
    assert gaps == {
        CheckCode.ROOT: Missing.NOT_ROOT,
        CheckCode.DEBUGFS: Missing.NOT_MOUNTED,
        CheckCode.PAGE_OWNER: Missing.NOT_BUILT_IN,
    }
    assert len({check.fix for check in found.values() if check.state is State.MISSING} - {""}) == 3
    # AND one error names all of them, with the first one's code
    why = why_no_page_owner(Machine(tmp_path, euid=1000))
    assert why is not None
    assert why.code is Missing.NOT_ROOT
    assert why.text == (
        "running as uid 1000, not root; debugfs is not mounted on /sys/kernel/debug; "
        "the kernel is built without CONFIG_PAGE_OWNER"
    )
    assert why.hint == (
        "run it with sudo: only root may read debugfs; spo-trace doctor shows everything that is missing"
    )


def test_a_machine_without_gaps_has_no_cause(tmp_path: Path) -> None:
    assert why_no_page_owner(Machine(capture(tmp_path, ON), euid=0)) is None


# Each of these is the only gap of its machine and has its own error.
ALONE: dict[str, tuple[Files, Missing, str, str]] = {
    "not mounted": (
        BOOTED | {"proc/filesystems": b"nodev\tdebugfs\n"},
        Missing.NOT_MOUNTED,
        "debugfs is not mounted on /sys/kernel/debug",
        "mount -t debugfs debugfs /sys/kernel/debug",
    ),
    "hidden": (
        BOOTED | {"proc/self/mountinfo": DEBUGFS_MOUNT + b"31 23 0:9 / /sys/kernel/debug rw - tmpfs tmpfs rw\n"},
        Missing.NOT_MOUNTED,
        "a mount of tmpfs on /sys/kernel/debug hides debugfs",
        "umount /sys/kernel/debug",
    ),
    "hidden elsewhere": (
        BOOTED
        | {
            "proc/self/mountinfo": b"30 23 0:7 / /mnt/my\\040debug rw - debugfs none rw\n"
            b"31 23 0:9 / /mnt/my\\040debug rw - tmpfs tmpfs rw\n"
        },
        Missing.NOT_MOUNTED,
        "a mount of tmpfs on /mnt/my debug hides debugfs",
        "umount '/mnt/my debug'",
    ),
    "a part of debugfs": (
        BOOTED | {"proc/self/mountinfo": b"30 23 0:7 /tracing /mnt rw - debugfs none rw\n"},
        Missing.NOT_MOUNTED,
        "debugfs is not mounted on /sys/kernel/debug",
        "mount -t debugfs debugfs /sys/kernel/debug",
    ),
    "tracefs only": (
        BOOTED | {"proc/self/mountinfo": b"31 23 0:9 / /sys/kernel/debug/tracing rw - tracefs tracefs rw\n"},
        Missing.NOT_MOUNTED,
        "debugfs is not mounted on /sys/kernel/debug",
        "mount -t debugfs debugfs /sys/kernel/debug",
    ),
    "switched off": (
        {"proc/cmdline": b"page_owner=on debugfs=off\n", "proc/filesystems": b"nodev\tdebugfs\n"},
        Missing.DEBUGFS_OFF,
        "debugfs is disabled by debugfs=off on the kernel's command line",
        "remove debugfs=off from the kernel's command line and reboot",
    ),
    "no mount": (
        {"proc/cmdline": b"page_owner=on debugfs=no-mount\n", "proc/filesystems": b"nodev\ttmpfs\n"},
        Missing.DEBUGFS_OFF,
        "debugfs is disabled by debugfs=no-mount on the kernel's command line",
        "remove debugfs=no-mount from the kernel's command line and reboot",
    ),
    "configured off": (
        BOOTED | RELEASE | {"boot/config-6.1.0": b"CONFIG_PAGE_OWNER=y\nCONFIG_DEBUG_FS_ALLOW_NONE=y\n"},
        Missing.DEBUGFS_OFF,
        "debugfs is disabled in the kernel's configuration (CONFIG_DEBUG_FS_ALLOW_NONE)",
        "add debugfs=on to the kernel's command line and reboot",
    ),
    "no debugfs": (
        BOOTED | {"proc/filesystems": b"nodev\ttmpfs\n"},
        Missing.NO_DEBUGFS,
        "the kernel has no debugfs",
        "use a kernel with CONFIG_DEBUG_FS=y",
    ),
    "container": (
        BOOTED | {".dockerenv": b"", "proc/self/status": b"CapBnd:\t00000000a80425fb\n"},
        Missing.CONTAINER,
        "debugfs is not mounted in this container",
        "run it on the host: page_owner lists the whole machine; "
        "or give the container /sys/kernel/debug and the privileges to read it",
    ),
    "privileged container": (
        BOOTED | {".dockerenv": b"", "proc/self/status": b"CapBnd:\t000001ffffffffff\n"},
        Missing.NOT_MOUNTED,
        "debugfs is not mounted on /sys/kernel/debug",
        "mount -t debugfs debugfs /sys/kernel/debug",
    ),
    "user namespace": (
        ON | {"proc/self/uid_map": b"         0     100000      65536\n"},
        Missing.CONTAINER,
        "running as root of a user namespace only (an unprivileged container)",
        "run it on the host: page_owner lists the whole machine",
    ),
    "not built in": (
        MOUNTED | RELEASE | {"boot/config-6.1.0": b"# CONFIG_PAGE_OWNER is not set\n"},
        Missing.NOT_BUILT_IN,
        "the kernel is built without CONFIG_PAGE_OWNER",
        "use a kernel with CONFIG_PAGE_OWNER=y, booted with page_owner=on",
    ),
    "not built in, by its symbols": (
        MOUNTED | {"proc/kallsyms": b"ffffffff81000000 T _stext\n"},
        Missing.NOT_BUILT_IN,
        "the kernel is built without CONFIG_PAGE_OWNER",
        "use a kernel with CONFIG_PAGE_OWNER=y, booted with page_owner=on",
    ),
    "not enabled": (
        MOUNTED | RELEASE | {"boot/config-6.1.0": b"CONFIG_PAGE_OWNER=y\n"},
        Missing.NOT_SWITCHED_ON,
        "page_owner is built in, but not enabled",
        BOOT,
    ),
    "not enabled, by config.gz": (
        MOUNTED | {"proc/config.gz": gzip.compress(b"CONFIG_PAGE_OWNER=y\n")},
        Missing.NOT_SWITCHED_ON,
        "page_owner is built in, but not enabled",
        BOOT,
    ),
    "not enabled, by its symbols": (
        MOUNTED | {"proc/kallsyms": b"ffffffff81000000 T __set_page_owner\n"},
        Missing.NOT_SWITCHED_ON,
        "page_owner is built in, but not enabled",
        BOOT,
    ),
    "switched off in words": (
        MOUNTED | {"proc/config.gz": gzip.compress(b"CONFIG_PAGE_OWNER=y\n"), "proc/cmdline": b"page_owner=no quiet\n"},
        Missing.NOT_SWITCHED_ON,
        "page_owner is built in, but not enabled; the command line has page_owner=no",
        BOOT,
    ),
    "not enabled, with the patches": (
        MOUNTED | {"proc/config.gz": gzip.compress(b"CONFIG_PAGE_OWNER=y\nCONFIG_SWAP_PAGE_OWNER=y\n")},
        Missing.NOT_SWITCHED_ON,
        "page_owner is built in, but not enabled",
        BOOT.replace("=on", "=on,swap"),
    ),
    "not enabled, with the patches, by its symbols": (
        MOUNTED | {"proc/kallsyms": b"ff T __set_page_owner\nff t swap_page_owner_store\n"},
        Missing.NOT_SWITCHED_ON,
        "page_owner is built in, but not enabled",
        BOOT.replace("=on", "=on,swap"),
    ),
    "no file": (
        MOUNTED | BOOTED,
        Missing.NO_FILE,
        "the kernel has no page_owner file; the command line has page_owner=on",
        f"use a kernel with CONFIG_PAGE_OWNER=y, and {BOOT.replace('page_owner=on', EITHER)}",
    ),
    "a configuration that is cut off": (
        MOUNTED | {"proc/config.gz": gzip.compress(b"CONFIG_PAGE_OWNER=y\n" * 999)[:-12]},
        Missing.NO_FILE,
        "the kernel has no page_owner file",
        f"use a kernel with CONFIG_PAGE_OWNER=y, and {BOOT.replace('page_owner=on', EITHER)}",
    ),
    "a configuration that is no gzip": (
        MOUNTED | {"proc/config.gz": b"\x1f\x8b\x08\0\0\0\0\0\0\3garbage"},
        Missing.NO_FILE,
        "the kernel has no page_owner file",
        f"use a kernel with CONFIG_PAGE_OWNER=y, and {BOOT.replace('page_owner=on', EITHER)}",
    ),
    "empty": (
        MOUNTED | BOOTED | {"sys/kernel/debug/page_owner": b""},
        Missing.EMPTY,
        "page_owner is empty",
        f"boot with {EITHER}",
    ),
}


@pytest.mark.parametrize("case", ALONE)
def test_each_cause_has_its_own_message_code_and_fix(tmp_path: Path, case: str) -> None:
    files, code, text, hint = ALONE[case]
    assert why_no_page_owner(Machine(capture(tmp_path, files), euid=0)) == (code, text, hint)


@pytest.mark.parametrize(
    ("number", "files", "code", "text"),
    [
        (
            errno.EPERM,
            {"sys/kernel/security/lockdown": b"none [integrity] confidentiality\n"},
            Missing.LOCKDOWN,
            "kernel lockdown (integrity) forbids reading page_owner",
        ),
        (
            errno.EPERM,
            {"run/.containerenv": b""},
            Missing.CONTAINER,
            "page_owner can't be read: Operation not permitted (EPERM), in a container",
        ),
        (errno.EACCES, {}, Missing.PERMISSION, "page_owner can't be read: Permission denied (EACCES)"),
        (errno.EINVAL, {}, Missing.NOT_SWITCHED_ON, "page_owner is built in, but not enabled"),
        (errno.EIO, {}, Missing.READ_ERROR, "page_owner can't be read: Input/output error (EIO)"),
    ],
)
def test_errors_of_reading_page_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, files: Files, code: Missing, text: str
) -> None:
    machine = Machine(capture(tmp_path, ON | files), euid=0)
    monkeypatch.setattr(os, "open", failing(number))
    why = why_no_page_owner(machine)
    assert why is not None
    assert (why.code, why.text) == (code, text)


def test_a_too_large_first_record_counts_as_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(capture(tmp_path, ON), euid=0)
    monkeypatch.setattr(os, "read", failing(errno.ENOMEM))
    assert why_no_page_owner(machine) is None


@pytest.mark.parametrize("mode", ["integrity", "confidentiality"])
def test_lockdown_allows_read_only_files(tmp_path: Path, mode: str) -> None:
    # Since Linux commit 358fcf5ddbec (v5.17, stable 5.15): debugfs files of mode 0400 opened for reading.
    text = "none integrity confidentiality\n".replace(mode, f"[{mode}]").encode()
    found = checks(tmp_path, ON | {"sys/kernel/security/lockdown": text})
    assert all(check.state is not State.MISSING for check in found.values())
    assert f"({mode})" in found["lockdown"].found


@pytest.mark.parametrize(
    ("files", "state"),
    [
        ({"proc/config.gz": gzip.compress(b"CONFIG_MMU=y\n")}, State.OK),
        ({"proc/self/mountinfo": b"30 23 0:7 / /sys/kernel/security rw - securityfs securityfs rw\n"}, State.OK),
        ({}, State.UNKNOWN),
    ],
)
def test_lockdown_is_unknown_without_securityfs(tmp_path: Path, files: Files, state: State) -> None:
    assert checks(tmp_path, files)["lockdown"].state is state


@pytest.mark.parametrize(
    ("files", "state"),
    [
        ({"proc/kallsyms": b"ff T __set_page_owner\n"}, State.MISSING),
        ({}, State.MISSING),
        (BOOTED, State.UNKNOWN),
        (BOOTED | {"proc/kallsyms": b"ff T __set_page_owner\n"}, State.UNKNOWN),
        (BOOTED | {"proc/kallsyms": b"ff T _stext\n"}, State.MISSING),
        # Words after `--` are passed to init; the last value counts.
        ({"proc/cmdline": b"quiet -- page_owner=on\n"}, State.MISSING),
        ({"proc/cmdline": b"page_owner=on page_owner=off\n"}, State.MISSING),
    ],
)
def test_page_owner_from_the_boot_options(tmp_path: Path, files: Files, state: State) -> None:
    # GIVEN a machine whose debugfs is not mounted
    assert checks(tmp_path, files)["page_owner"].state is state


@pytest.mark.parametrize(
    ("files", "state", "cause"),
    [
        (ON, State.OPTIONAL, Missing.NO_FILE),
        (BOOTED, State.UNKNOWN, None),
        (BOOTED | {"proc/config.gz": gzip.compress(b"CONFIG_MMU=y\n")}, State.OPTIONAL, Missing.NOT_BUILT_IN),
        (
            BOOTED | {"proc/config.gz": gzip.compress(b"CONFIG_SWAP_PAGE_OWNER=y\n")},
            State.OPTIONAL,
            Missing.NOT_SWITCHED_ON,
        ),
        (
            {"proc/cmdline": b"page_owner=on,swap\n", "proc/kallsyms": b"ff t swap_page_owner_store\n"},
            State.UNKNOWN,
            None,
        ),
    ],
)
def test_owners_of_swap(tmp_path: Path, files: Files, state: State, cause: Missing | None) -> None:
    found = checks(tmp_path, files)["swap_page_owner"]
    assert (found.state, found.cause) == (state, cause)


def test_a_kernel_without_the_patches_that_was_booted_with_swap(tmp_path: Path) -> None:
    found = checks(tmp_path, ON | {"proc/cmdline": b"page_owner=on,swap\n"})["swap_page_owner"]
    assert found.found.endswith("it treats the boot option page_owner=on,swap as page_owner=on")
    assert found.fix == (
        "use a kernel with the swap_page_owner patches, booted with page_owner=on,swap; or: sudo spo-trace trace"
    )


@pytest.mark.parametrize(
    ("number", "cause"), [(errno.EINVAL, Missing.NOT_SWITCHED_ON), (errno.EIO, Missing.READ_ERROR)]
)
def test_owners_of_swap_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, cause: Missing
) -> None:
    capture(tmp_path, ON | {"sys/kernel/debug/swap_page_owner": entry(1)})
    real, fail = os.read, failing(number)
    monkeypatch.setattr(os, "read", lambda fd, n: fail() if b"SWP" in (text := real(fd, n)) else text)
    found = checks(tmp_path, {})
    assert (found["swap_page_owner"].state, found["swap_page_owner"].cause) == (State.OPTIONAL, cause)
    # AND the other checks continue
    assert found["page_owner_stacks"].cause is Missing.NO_FILE


@pytest.fixture
def not_root() -> Iterator[None]:
    """Run as a user other than root."""
    euid = os.geteuid()
    os.seteuid(euid or 65534)
    yield
    os.seteuid(euid)


# Not in tmp_path, which only its owner may search.
@pytest.fixture
def open_directory() -> Iterator[Path]:
    """Return a directory that all users may search."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def readable_debugfs(open_directory: Path) -> Path:
    """Return a machine whose page_owner all users may read."""
    capture(open_directory, ON)
    for path in open_directory.rglob("*"):
        path.chmod(0o755)
    return open_directory


@pytest.fixture
def hidden_debugfs(open_directory: Path) -> Iterator[Path]:
    """Return a machine whose debugfs only root may search, as by default."""
    debugfs = capture(open_directory, ON | {"sys/kernel/debug/swap_page_owner": entry(1)}) / "sys/kernel/debug"
    debugfs.chmod(0)
    yield open_directory
    debugfs.chmod(0o700)


def test_debugfs_that_only_root_may_search(hidden_debugfs: Path, not_root: None) -> None:
    states = {check.code: check.state for check in snapshot_needs(Machine(hidden_debugfs))}
    assert states == {
        "root": State.MISSING,
        "debugfs": State.OK,
        "lockdown": State.UNKNOWN,
        "page_owner": State.UNKNOWN,
        "swap_page_owner": State.UNKNOWN,
        "page_owner_stacks": State.UNKNOWN,
    }
    assert why_no_page_owner(Machine(hidden_debugfs)) == (
        Missing.NOT_ROOT,
        f"running as uid {os.geteuid()}, not root",
        "run it with sudo: only root may read debugfs",
    )


def test_a_user_who_may_read_page_owner_needs_no_root(readable_debugfs: Path, not_root: None) -> None:
    assert why_no_page_owner(Machine(readable_debugfs)) is None


def test_no_file_stays_open(tmp_path: Path) -> None:
    capture(tmp_path, ON | {"sys/kernel/debug/swap_page_owner": entry(1)})
    before = len(list(Path("/proc/self/fd").iterdir()))
    list(snapshot_needs(Machine(tmp_path, euid=0)))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize(
    ("files", "confined"),
    [
        ({}, False),
        ({"proc/1/cgroup": b"0::/init.scope\n"}, False),
        ({"proc/1/cgroup": b"1:name=systemd:/kubepods/besteffort/pod1\n"}, True),
        ({"run/systemd/container": b"lxc\n"}, True),
        ({"proc/self/mountinfo": b"30 23 0:7 / /sys ro,nosuid - sysfs sysfs ro\n"}, True),
        ({"proc/self/mountinfo": b"30 23 0:7 / /sys rw,nosuid - sysfs sysfs rw\n"}, False),
        ({"proc/self/uid_map": b"0 0 4294967295\n"}, False),
        ({"proc/self/uid_map": b"0 1000 1\n"}, True),
    ],
)
def test_signs_of_a_container(tmp_path: Path, files: Files, confined: bool) -> None:
    assert Machine(capture(tmp_path, files)).is_confined is confined
