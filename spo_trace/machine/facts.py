# SPDX-License-Identifier: LGPL-2.1-or-later
"""Facts of this machine that can be read without debugfs, and mostly without root."""

import os
import re
import zlib
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from spo_trace.machine.command_line import boot_option

__all__ = ["CAP_SYS_ADMIN", "DEBUGFS", "Machine", "Mount"]

# Where debugfs is usually mounted.
DEBUGFS = "sys/kernel/debug"

# include/uapi/linux/capability.h
CAP_SYS_ADMIN = 1 << 21

_CONTAINER_FILES = (".dockerenv", "run/.containerenv", "run/systemd/container")
_CONTAINER_CGROUP = re.compile(r"docker|containerd|kubepods|libpod|/lxc")
_ESCAPE = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """Hold one line of /proc/self/mountinfo; `root` is the mounted directory of the file system, usually `/`."""

    root: str
    point: str
    options: str
    kind: str


class Machine:
    """Read the machine whose root directory is `root`, as the user `euid` (by default this process's)."""

    def __init__(self, root: Path = Path("/"), *, euid: int | None = None) -> None:
        self.root = root
        self.euid = os.geteuid() if euid is None else euid

    def read(self, path: str) -> str | None:
        """Return a file's text, None if it cannot be read."""
        content = self.read_bytes(path)
        return None if content is None else content.decode(errors="replace")

    def read_bytes(self, path: str) -> bytes | None:
        """Return a file's content, None if it cannot be read."""
        try:
            return (self.root / path).read_bytes()
        except OSError:
            return None

    def path(self, usual: str) -> Path:
        """Return where a file is: at `usual` below the root directory, but debugfs may be mounted elsewhere."""
        below = usual.removeprefix(f"{DEBUGFS}/")
        return self.root / (usual if below == usual else f"{self.debugfs}/{below}")

    def exists(self, path: str) -> bool | None:
        """Return whether a file exists, None if this user may not look for it."""
        try:
            (self.root / path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return None
        return True

    @cached_property
    def release(self) -> str:
        """Return the kernel's release, as `uname -r` prints it."""
        return (self.read("proc/sys/kernel/osrelease") or os.uname().release).strip()

    @cached_property
    def cmdline(self) -> str:
        """Return the kernel's command line."""
        return self.read("proc/cmdline") or ""

    def boot_option(self, name: str) -> str | None:
        """Return an option's value on the kernel's command line, None if it is absent."""
        return boot_option(self.cmdline, name)

    @cached_property
    def mounts(self) -> list[Mount]:
        """Return all mounts, in the order of mounting."""
        found = []
        # Only space, tab, newline and backslash are escaped: other bytes of a path stay as they are.
        for line in os.fsdecode(self.read_bytes("proc/self/mountinfo") or b"").split("\n"):
            before, _, after = line.partition(" - ")
            fields = before.split(" ")
            if len(fields) > 5 and after:
                root, point = (_ESCAPE.sub(lambda octal: chr(int(octal[1], 8)), field) for field in fields[3:5])
                found.append(Mount(root, point, fields[5], after.split(" ")[0]))
        return found

    def mounted_on(self, point: str) -> Mount | None:
        """Return the mount on a directory, None if there is none; a later mount hides an earlier one."""
        return next((mount for mount in reversed(self.mounts) if mount.point == point), None)

    @cached_property
    def debugfs(self) -> str:
        """Return the directory where debugfs is mounted, below the root directory; DEBUGFS if it is not mounted.

        If it is mounted twice, one in which this user can see page_owner is preferred, then the usual directory.
        """
        points = [mount.point.lstrip("/") for mount in self.debugfs_mounts if self.mounted_on(mount.point) is mount]
        preferred = sorted({DEBUGFS, *points}, key=lambda point: (point != DEBUGFS, point))
        visible = [point for point in preferred if self.exists(f"{point}/page_owner")]
        return next(iter([*visible, *(point for point in preferred if point in points), DEBUGFS]))

    @property
    def debugfs_mounts(self) -> list[Mount]:
        """Return the mounts of all of debugfs, including hidden ones; a part of it may be mounted elsewhere, too."""
        return [mount for mount in self.mounts if mount.kind == "debugfs" and mount.root == "/"]

    @cached_property
    def lockdown(self) -> str | None:
        """Return the kernel lockdown mode: none, integrity or confidentiality; None if it is unknown."""
        found = re.search(r"\[(\w+)\]", self.read("sys/kernel/security/lockdown") or "")
        return found[1] if found else None

    def capabilities(self, kind: str) -> int | None:
        """Return this process's capabilities (`CapEff`, `CapBnd` …) as bits, None if unknown."""
        for line in (self.read("proc/self/status") or "").splitlines():
            if line.startswith(f"{kind}:"):
                return int(line.split()[1], 16)
        return None

    @property
    def is_confined(self) -> bool:
        """Return whether this is a container in which debugfs cannot be mounted or read."""
        bounds = self.capabilities("CapBnd")
        return self.in_user_namespace or (self.in_container and (bounds is None or not bounds & CAP_SYS_ADMIN))

    @cached_property
    def in_container(self) -> bool:
        """Return whether there are signs of a container."""
        if any(self.exists(name) for name in _CONTAINER_FILES):
            return True
        sysfs = self.mounted_on("/sys")
        return bool(
            self.in_user_namespace
            or _CONTAINER_CGROUP.search(self.read("proc/1/cgroup") or "")
            or (sysfs and "ro" in sysfs.options.split(","))
        )

    @cached_property
    def in_user_namespace(self) -> bool:
        """Return whether this process is in a user namespace that does not map all user IDs to themselves."""
        uid_map = (self.read("proc/self/uid_map") or "").split()
        return bool(uid_map) and uid_map != ["0", "0", "4294967295"]

    def configured(self, option: str) -> str | None:
        """Return the kernel configuration's value of CONFIG_… (`y`, `m`), empty if not set, None if unknown."""
        if self._config is None:
            return None
        found = re.search(rf"^{option}=(.*)$", self._config, re.MULTILINE)
        return found[1] if found else ""

    def has_symbol(self, *names: str) -> bool | None:
        """Return whether /proc/kallsyms lists one of these symbols, None if it cannot be read."""
        if not self.kallsyms:
            return None
        return any(re.search(rb" %b[\n\t]" % name.encode(), self.kallsyms) for name in names)

    @cached_property
    def kallsyms(self) -> bytes:
        """Return /proc/kallsyms, empty if it cannot be read."""
        return self.read_bytes("proc/kallsyms") or b""

    # /proc/config.gz is from the running kernel itself; the other files are found by its release.
    @cached_property
    def _config(self) -> str | None:
        packed = self.read_bytes("proc/config.gz")
        if packed is not None:
            # If it is damaged, the files below may still be readable.
            with suppress(zlib.error):
                return zlib.decompress(packed, wbits=zlib.MAX_WBITS | 16).decode(errors="replace")
        return self.read(f"boot/config-{self.release}") or self.read(f"lib/modules/{self.release}/config")
