# SPDX-License-Identifier: LGPL-2.1-or-later
"""What doctor says of machines in every state, each a tree of files."""

import errno
import gzip
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from spo_trace.machine_checks import check_machine
from spo_trace.native import library
from tests.support import capture, entry, page

MOUNTED = {"proc/mounts": b"none /sys/kernel/debug debugfs rw 0 0\n"}
OWNER = {"sys/kernel/debug/page_owner": page()}
ON = MOUNTED | OWNER
BOOT = "add page_owner=on to the kernel's command line (GRUB_CMDLINE_LINUX, then update-grub) and reboot"


def states(root: Path, files: dict[str, bytes], *, euid: int = 0) -> dict[str, tuple[str, str]]:
    """Return state and finding by question."""
    return {c.what: (c.state, c.found) for c in check_machine(capture(root, files), euid=euid)}


def mends(root: Path) -> dict[str, str]:
    """Return what mends what is missing, by question."""
    return {check.what: check.mend for check in check_machine(root, euid=0) if check.mend}


def test_a_machine_that_has_all(tmp_path: Path) -> None:
    more = {
        "sys/kernel/debug/swap_page_owner": entry(1),
        "sys/kernel/debug/page_owner_stacks/show_stacks": b"",
        "sys/kernel/security/lockdown": b"[none] integrity confidentiality\n",
    }
    assert states(tmp_path, ON | more) == {
        "root": ("ok", "yes"),
        "debugfs": ("ok", "mounted on /sys/kernel/debug"),
        "page_owner": ("ok", "can be read"),
        "swap_page_owner": ("ok", "owners of swapped pages are kept"),
        "page_owner_stacks": ("ok", "base pages are counted for each stack"),
    }
    assert mends(tmp_path) == {}


def test_no_compiled_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "load", lambda: None)
    assert states(tmp_path, ON)["compiled code"] == ("optional", "none: reading takes some ten times as long")
    assert mends(tmp_path)["compiled code"] == "install spo-trace anew where there is a C compiler (cc)"


def test_no_root(tmp_path: Path) -> None:
    assert states(tmp_path, ON, euid=1000)["root"] == ("missing", "no, this is uid 1000")


@pytest.mark.parametrize("mode", ["integrity", "confidentiality"])
def test_lockdown_allows_what_can_only_be_read(tmp_path: Path, mode: str) -> None:
    # Since Linux commit 358fcf5ddbec (v5.17, stable 5.15): debugfs files of mode 0400 opened for reading.
    text = "none integrity confidentiality\n".replace(mode, f"[{mode}]").encode()
    found = states(tmp_path, ON | {"sys/kernel/security/lockdown": text})
    assert all(state != "missing" for state, _ in found.values())
    assert found["lockdown"] == ("ok", f"{mode}: page_owner can be read if the kernel lets nobody write to it")


def test_lockdown_that_forbids_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a kernel before 5.15, or one whose page_owner can be written to
    def failing(*_: object) -> int:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    capture(tmp_path, ON | {"sys/kernel/security/lockdown": b"none [integrity] confidentiality\n"})
    monkeypatch.setattr(os, "open", failing)
    checks = {check.what: check for check in check_machine(tmp_path, euid=0)}
    assert checks["page_owner"].found == "kernel lockdown (integrity) forbids to read it"
    assert checks["page_owner"].mend == "boot without lockdown=, and without Secure Boot"


@pytest.mark.parametrize(
    "mounts", [b"", b"tracefs /sys/kernel/debug/tracing tracefs rw 0 0\n", b"debugfs /debug debugfs rw 0 0\n"]
)
def test_no_debugfs_ends_the_questions(tmp_path: Path, mounts: bytes) -> None:
    assert states(tmp_path, OWNER | {"proc/mounts": mounts}) == {
        "root": ("ok", "yes"),
        "debugfs": ("missing", "not mounted"),
    }
    assert mends(tmp_path)["debugfs"] == "mount -t debugfs debugfs /sys/kernel/debug"


@pytest.mark.parametrize(
    ("files", "found", "mend"),
    [
        ({"proc/filesystems": b"nodev\tdebugfs\n"}, "not mounted", "mount -t debugfs debugfs /sys/kernel/debug"),
        (
            {"proc/filesystems": b"nodev\ttmpfs\n", "proc/cmdline": b"quiet\n"},
            "the kernel has none",
            "this kernel is built without it: use one with CONFIG_DEBUG_FS=y",
        ),
        (
            {"proc/filesystems": b"nodev\ttmpfs\n", "proc/cmdline": b"page_owner=on debugfs=off\n"},
            "switched off by debugfs=off on the kernel's command line",
            "take debugfs=off off the command line, and reboot",
        ),
    ],
)
def test_why_there_is_no_debugfs(tmp_path: Path, files: dict[str, bytes], found: str, mend: str) -> None:
    assert states(tmp_path, files)["debugfs"] == ("missing", found)
    assert mends(tmp_path)["debugfs"] == mend


@pytest.fixture
def not_root() -> Iterator[None]:
    """Be a user that is not root."""
    euid = os.geteuid()
    os.seteuid(euid or 65534)
    yield
    os.seteuid(euid)


# Not in tmp_path, which only its owner may look into.
@pytest.fixture
def open_directory() -> Iterator[Path]:
    """Return a directory that everybody may look into."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def hidden_debugfs(open_directory: Path) -> Iterator[Path]:
    """Return a machine whose debugfs, as it is by default, is root's."""
    debugfs = capture(open_directory, ON) / "sys/kernel/debug"
    debugfs.chmod(0)
    yield open_directory
    debugfs.chmod(0o700)


def test_debugfs_that_only_root_may_look_into(hidden_debugfs: Path, not_root: None) -> None:
    checks = {check.what: (check.state, check.found) for check in check_machine(hidden_debugfs)}
    assert checks == {
        "root": ("missing", f"no, this is uid {os.geteuid()}"),
        "debugfs": ("missing", "mounted, but only root may look into it"),
    }


CONFIG = {"proc/sys/kernel/osrelease": b"6.1.0\n"}


@pytest.mark.parametrize(
    ("files", "found", "mend"),
    [
        (
            {"boot/config-6.1.0": b"# CONFIG_PAGE_OWNER is not set\n"},
            "CONFIG_PAGE_OWNER is not set",
            "this kernel is built without it: use one with CONFIG_PAGE_OWNER=y, booted with page_owner=on",
        ),
        ({"boot/config-6.1.0": b"CONFIG_PAGE_OWNER=y\n"}, "built in, but not switched on", BOOT),
        ({"proc/config.gz": gzip.compress(b"CONFIG_PAGE_OWNER=y\n")}, "built in, but not switched on", BOOT),
        ({"proc/config.gz": gzip.compress(b"CONFIG_PAGE_OWNER=y\n")[:-12]}, "the kernel has no such file", None),
        ({"proc/config.gz": b"\x1f\x8b\x08\0\0\0\0\0\0\3garbage"}, "the kernel has no such file", None),
        ({}, "the kernel has no such file", f"a kernel with CONFIG_PAGE_OWNER=y is needed; {BOOT}"),
        (
            {"proc/cmdline": b"quiet page_owner=on\n"},
            "the kernel has no such file, though the command line has page_owner=on",
            f"a kernel with CONFIG_PAGE_OWNER=y is needed; {BOOT}",
        ),
        (
            {"boot/config-6.1.0": b"CONFIG_PAGE_OWNER=y\n", "proc/cmdline": b"page_owner=no quiet\n"},
            "built in, but not switched on, though the command line has page_owner=no",
            BOOT,
        ),
        ({"proc/kallsyms": b"ffffffff81000000 T __set_page_owner\n"}, "built in, but not switched on", BOOT),
        ({"proc/kallsyms": b"ffffffff81000000 T _stext\n"}, "CONFIG_PAGE_OWNER is not set", None),
    ],
)
def test_no_page_owner(tmp_path: Path, files: dict[str, bytes], found: str, mend: str | None) -> None:
    (tmp_path / "sys/kernel/debug").mkdir(parents=True)
    checks = states(tmp_path, MOUNTED | CONFIG | files)
    assert checks["page_owner"] == ("missing", found)
    assert mend is None or mends(tmp_path)["page_owner"] == mend
    assert "swap_page_owner" not in checks


def test_an_empty_page_owner(tmp_path: Path) -> None:
    assert states(tmp_path, MOUNTED | {"sys/kernel/debug/page_owner": b""})["page_owner"] == ("missing", "is empty")
    assert mends(tmp_path)["page_owner"] == "boot with page_owner=on"


def test_a_first_record_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> bytes:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    capture(tmp_path, ON)
    monkeypatch.setattr(os, "read", failing)
    assert {check.what: check.state for check in check_machine(tmp_path, euid=0)}["page_owner"] == "ok"


@pytest.mark.parametrize(
    ("number", "mend"),
    [
        (errno.EINVAL, "page_owner is compiled in but not switched on: boot with page_owner=on"),
        (errno.EPERM, "kernel lockdown (see /sys/kernel/security/lockdown) or this container forbids it"),
        (errno.EIO, ""),
    ],
)
def test_a_page_owner_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, mend: str
) -> None:
    def failing(*_: object) -> bytes:
        raise OSError(number, os.strerror(number))

    capture(tmp_path, ON)
    monkeypatch.setattr(os, "read", failing)
    checks = {check.what: check for check in check_machine(tmp_path, euid=0)}
    assert (checks["page_owner"].state, checks["page_owner"].mend) == ("missing", mend)
    assert "swap_page_owner" not in checks


@pytest.mark.parametrize(
    ("cmdline", "found"),
    [
        (b"page_owner=on\n", "the kernel has no such file"),
        (b"page_owner=on,swap\n", "booted with page_owner=on,swap, but this kernel took it for page_owner=on"),
    ],
)
def test_a_kernel_without_the_patches(tmp_path: Path, cmdline: bytes, found: str) -> None:
    checks = states(tmp_path, ON | {"proc/cmdline": cmdline})
    assert checks["swap_page_owner"] == ("optional", found)
    assert checks["page_owner_stacks"] == ("optional", "the kernel has none")
    assert mends(tmp_path)["swap_page_owner"] == (
        "a kernel with the swap_page_owner patches, booted with page_owner=on,swap; or without: sudo spo-trace trace"
    )


@pytest.mark.parametrize(
    ("number", "found", "mend"),
    [
        (errno.EINVAL, "page_owner does not track swap", "boot with page_owner=on,swap"),
        (
            errno.EIO,
            "/sys/kernel/debug/swap_page_owner can't be read: Input/output error (EIO)",
            "",
        ),
    ],
)
def test_swap_owners_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, found: str, mend: str
) -> None:
    def failing(*_: object) -> bytes:
        raise OSError(number, os.strerror(number))

    capture(tmp_path, ON | {"sys/kernel/debug/swap_page_owner": entry(1)})
    real = os.read
    monkeypatch.setattr(os, "read", lambda fd, n: failing() if b"SWP" in (text := real(fd, n)) else text)
    checks = {check.what: check for check in check_machine(tmp_path, euid=0)}
    assert checks["swap_page_owner"].state == "optional"
    assert checks["swap_page_owner"].found.endswith(found)
    assert checks["swap_page_owner"].mend == mend
    assert checks["page_owner_stacks"].state == "optional"


def test_no_file_stays_open(tmp_path: Path) -> None:
    capture(tmp_path, ON | {"sys/kernel/debug/swap_page_owner": entry(1)})
    before = len(list(Path("/proc/self/fd").iterdir()))
    list(check_machine(tmp_path, euid=0))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_it_does_without_numpy() -> None:
    # Its import takes longer than all that is asked of the machine.
    program = "import sys, spo_trace.machine_checks; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
