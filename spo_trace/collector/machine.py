# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where file systems are mounted; native/collect/machine.c does the same."""

import os
import re

__all__ = ["find_cgroups", "find_debugfs"]

_DEBUGFS = b"sys/kernel/debug"
_ESCAPE = re.compile(rb"\\([0-7]{3})")
_MOST = 1 << 20


def find_debugfs(root: bytes) -> bytes:
    """Return the directory where debugfs is mounted and page_owner is visible, by default the usual one."""
    usual = root + b"/" + _DEBUGFS
    if os.path.exists(usual + b"/page_owner"):
        return usual
    return _find_mount(root, b"debugfs", b"page_owner") or usual


def find_cgroups(root: bytes) -> bytes | None:
    """Return the directory where cgroup2 is mounted, None if it is not."""
    return _find_mount(root, b"cgroup2", b"cgroup.procs")


def _find_mount(root: bytes, kind: bytes, name: bytes) -> bytes | None:
    try:
        with open(root + b"/proc/self/mountinfo", "rb") as file:
            text = file.read(_MOST)
    except OSError:
        return None
    for line in text.split(b"\n"):
        before, _, after = line.partition(b" - ")
        fields = before.split(b" ")
        if len(fields) < 6 or not after.startswith(kind + b" ") or fields[3] != b"/":
            continue
        point = _ESCAPE.sub(lambda octal: bytes([int(octal[1], 8) & 0xFF]), fields[4])
        path = root + b"/" + point.lstrip(b"/")
        if os.path.exists(path + b"/" + name):
            return path
    return None
