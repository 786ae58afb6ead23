# SPDX-License-Identifier: LGPL-2.1-or-later
"""Can this machine be snapshotted? What is missing, and the step that mends it."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from spo_trace.errors import SpoTraceError
from spo_trace.facts import wants_swap
from spo_trace.sources.live import LiveSource

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
    page_owner = _check_page_owner(root)
    yield page_owner
    if page_owner.state == "ok":
        yield _check_swap(root)
        yield _check_stacks(root)


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
    mend = f"mount -t debugfs debugfs /{_DEBUGFS}    (a kernel without CONFIG_DEBUG_FS refuses: it needs another build)"
    return Check("missing", "debugfs", "not mounted", mend)


def _check_page_owner(root: Path) -> Check:
    if (root / _DEBUGFS / "page_owner").exists():
        try:
            first = _first_record(LiveSource(root), "page_owner")
        except SpoTraceError as error:
            return Check("missing", "page_owner", error.message, error.hint or "")
        found = "can be read" if first else "is empty"
        return Check("ok" if first else "missing", "page_owner", found, "" if first else "boot with page_owner=on")
    configured = _configured(root, "CONFIG_PAGE_OWNER")
    if configured is False:
        mend = "this kernel is built without it: use one with CONFIG_PAGE_OWNER=y, booted with page_owner=on"
        return Check("missing", "page_owner", "CONFIG_PAGE_OWNER is not set", mend)
    asked = "page_owner=" in (_read(root / "proc/cmdline") or "")
    found = "the kernel has no such file" + (", though the command line asks for it" if asked else "")
    if configured:
        return Check("missing", "page_owner", "built in, but not switched on", _BOOT)
    return Check("missing", "page_owner", found, f"a kernel with CONFIG_PAGE_OWNER=y is needed; {_BOOT}")


_BOOT = "add page_owner=on to the kernel's command line (GRUB_CMDLINE_LINUX, then update-grub) and reboot"


def _check_swap(root: Path) -> Check:
    source = LiveSource(root)
    try:
        if _first_record(source, "swap_page_owner") is not None:
            return Check("ok", "swap_page_owner", "owners of swapped pages are kept")
    except SpoTraceError as error:
        return Check("optional", "swap_page_owner", error.message, error.hint or "")
    why = source.why_missing("swap_page_owner")
    if (root / _DEBUGFS / "swap_page_owner").exists():
        return Check("optional", "swap_page_owner", why, "boot with page_owner=on,swap")
    if wants_swap(_read(root / "proc/cmdline")):
        why = "booted with page_owner=on,swap, but this kernel took it for page_owner=on"
    mend = "a kernel with the swap_page_owner patches, booted with page_owner=on,swap"
    return Check("optional", "swap_page_owner", why, mend)


def _check_stacks(root: Path) -> Check:
    if (root / _DEBUGFS / "page_owner_stacks/show_stacks").exists():
        return Check("ok", "page_owner_stacks", "base pages are counted for each stack")
    return Check("optional", "page_owner_stacks", "the kernel has none", "it came with Linux 6.9; verify does without")


def _first_record(source: LiveSource, name: str) -> bytes | None:
    text = source.open(name)
    if text is None:
        return None
    first = next(iter(text.records or ()), None)
    text.records = None  # lets go of the file
    return first.text if first else b""


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
