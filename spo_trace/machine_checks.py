# SPDX-License-Identifier: LGPL-2.1-or-later
"""Can this machine be snapshotted? What is missing, and the step that mends it."""

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from spo_trace.facts import wants_swap
from spo_trace.native import library
from spo_trace.sources.kernel_file import KernelFile
from spo_trace.sources.unreadable import MEND, explain

__all__ = ["Check", "check_machine"]

_DEBUGFS = "sys/kernel/debug"


class Check(NamedTuple):
    """Hold the answer to one question: `state` is `ok`, `missing` (no snapshot without it) or `optional`."""

    state: str
    what: str
    found: str
    mend: str = ""


def check_machine(root: Path = Path("/"), *, euid: int | None = None) -> Iterator[Check]:
    """Yield what the machine at `root` has of all that a snapshot needs, and how to get what it has not."""
    yield _check_root(os.geteuid() if euid is None else euid)
    debugfs = _check_debugfs(root)
    yield debugfs
    if debugfs.state != "ok":
        return
    yield from _check_lockdown(root)
    page_owner = _check_page_owner(root)
    yield page_owner
    if page_owner.state == "ok":
        yield _check_swap(root)
        yield _check_stacks(root)
        yield from _check_compiled()


def _check_root(euid: int) -> Check:
    if euid == 0:
        return Check("ok", "root", "yes")
    return Check("missing", "root", f"no, this is uid {euid}", "run it with sudo: only root may read debugfs")


def _check_debugfs(root: Path) -> Check:
    mounts = _read(root / "proc/mounts") or ""
    if re.search(rf"^\S+ /{_DEBUGFS} debugfs ", mounts, re.MULTILINE):
        if not os.access(root / _DEBUGFS, os.X_OK, effective_ids=True):
            return Check("missing", "debugfs", "mounted, but only root may look into it", "run it with sudo")
        return Check("ok", "debugfs", f"mounted on /{_DEBUGFS}")
    if "debugfs" in (_read(root / "proc/filesystems") or "debugfs").split():
        return Check("missing", "debugfs", "not mounted", f"mount -t debugfs debugfs /{_DEBUGFS}")
    if asked := re.search(r"\bdebugfs=(?:off|no-mount)\b", _read(root / "proc/cmdline") or ""):
        found = f"switched off by {asked[0]} on the kernel's command line"
        return Check("missing", "debugfs", found, f"take {asked[0]} off the command line, and reboot")
    mend = "this kernel is built without it: use one with CONFIG_DEBUG_FS=y"
    return Check("missing", "debugfs", "the kernel has none", mend)


# Since Linux commit 358fcf5ddbec (v5.17, stable 5.15) debugfs files of mode 0400 can be read all the same.
def _check_lockdown(root: Path) -> Iterator[Check]:
    mode = _lockdown(root)
    if mode:
        yield Check("ok", "lockdown", f"{mode}: page_owner can be read if the kernel lets nobody write to it")


def _check_page_owner(root: Path) -> Check:
    path = root / _DEBUGFS / "page_owner"
    if not path.exists():
        return _explain_missing(root)
    try:
        found = _has_record(path)
    except OSError as error:
        return Check("missing", "page_owner", *_explain(root, path, error))
    if found:
        return Check("ok", "page_owner", "can be read")
    return Check("missing", "page_owner", "is empty", "boot with page_owner=on")


def _explain_missing(root: Path) -> Check:
    built_in = _built_in(root)
    if built_in is False:
        mend = "this kernel is built without it: use one with CONFIG_PAGE_OWNER=y, booted with page_owner=on"
        return Check("missing", "page_owner", "CONFIG_PAGE_OWNER is not set", mend)
    asked = re.search(r"\bpage_owner=\S*", _read(root / "proc/cmdline") or "")
    but = f", though the command line has {asked[0]}" if asked else ""
    if built_in:
        return Check("missing", "page_owner", f"built in, but not switched on{but}", _BOOT)
    found = f"the kernel has no such file{but}"
    return Check("missing", "page_owner", found, f"a kernel with CONFIG_PAGE_OWNER=y is needed; {_BOOT}")


_BOOT = "add page_owner=on to the kernel's command line (GRUB_CMDLINE_LINUX, then update-grub) and reboot"


def _check_swap(root: Path) -> Check:
    path = root / _DEBUGFS / "swap_page_owner"
    boot = "boot with page_owner=on,swap"
    if path.exists():
        try:
            _has_record(path)
        except OSError as error:
            if error.errno == errno.EINVAL:
                return Check("optional", "swap_page_owner", "page_owner does not track swap", boot)
            return Check("optional", "swap_page_owner", *_explain(root, path, error))
        return Check("ok", "swap_page_owner", "owners of swapped pages are kept")
    found = "the kernel has no such file"
    if wants_swap(_read(root / "proc/cmdline")):
        found = "booted with page_owner=on,swap, but this kernel took it for page_owner=on"
    mend = "a kernel with the swap_page_owner patches, booted with page_owner=on,swap; or without: sudo spo-trace trace"
    return Check("optional", "swap_page_owner", found, mend)


def _check_stacks(root: Path) -> Check:
    if (root / _DEBUGFS / "page_owner_stacks/show_stacks").exists():
        return Check("ok", "page_owner_stacks", "base pages are counted for each stack")
    return Check("optional", "page_owner_stacks", "the kernel has none", "it came with Linux 6.9; verify does without")


# Nothing to say where it is there, as it nearly always is.
def _check_compiled() -> Iterator[Check]:
    if library.load() is None:
        mend = "install spo-trace anew where there is a C compiler (cc)"
        yield Check("optional", "compiled code", "none: reading takes some ten times as long", mend)


def _explain(root: Path, path: Path, error: OSError) -> tuple[str, str]:
    if error.errno == errno.EPERM and (mode := _lockdown(root)):
        return f"kernel lockdown ({mode}) forbids to read it", "boot without lockdown=, and without Secure Boot"
    said = explain(path, error)
    # Not "run: spo-trace doctor", which this is.
    return said.message, MEND.get(error.errno or 0, "")


def _has_record(path: Path) -> bool:
    with KernelFile(path) as file:
        try:
            return bool(file.read())
        except OSError as error:
            # There is one, and it is too large to be printed.
            if error.errno != errno.ENOMEM:
                raise
    return True


# "integrity" or "confidentiality"; None where it is off, or securityfs is not mounted.
def _lockdown(root: Path) -> str | None:
    found = re.search(r"\[(\w+)\]", _read(root / "sys/kernel/security/lockdown") or "")
    return found[1] if found and found[1] != "none" else None


def _built_in(root: Path) -> bool | None:
    configured = _configured(root, "CONFIG_PAGE_OWNER")
    if configured is None and (symbols := _read(root / "proc/kallsyms")):
        return " __set_page_owner\n" in symbols
    return configured


def _configured(root: Path, option: str) -> bool | None:
    release = (_read(root / "proc/sys/kernel/osrelease") or os.uname().release).strip()
    config = _read(root / f"boot/config-{release}")
    if config is None:
        config = _read_gz(root / "proc/config.gz")
    return None if config is None else bool(re.search(rf"^{option}=y$", config, re.MULTILINE))


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None


def _read_gz(path: Path) -> str | None:
    import gzip
    import zlib

    try:
        return gzip.decompress(path.read_bytes()).decode(errors="replace")
    except (OSError, EOFError, zlib.error):
        return None
