# SPDX-License-Identifier: LGPL-2.1-or-later
"""Check whether debugfs can be read: root, a mounted debugfs, kernel lockdown."""

import os
import shlex

from spo_trace.formats.missing import Missing
from spo_trace.machine.check import Check, CheckCode, Topic
from spo_trace.machine.facts import DEBUGFS, Machine

__all__ = ["ON_HOST", "check_debugfs", "check_lockdown", "check_root", "has_debugfs"]

ON_HOST = "run it on the host: page_owner lists the whole machine"

_MOUNT = f"mount -t debugfs debugfs /{DEBUGFS}"


def check_root(machine: Machine) -> Check:
    """Check that this user may read debugfs."""
    topic = Topic(CheckCode.ROOT, "root")
    if machine.euid != 0:
        found = f"running as uid {machine.euid}, not root"
        if _may_read_page_owner(machine):
            return topic.ok(f"{found}, but page_owner is readable")
        return topic.missing(found, "run it with sudo: only root may read debugfs", Missing.NOT_ROOT)
    if machine.in_user_namespace:
        found = "running as root of a user namespace only (an unprivileged container)"
        return topic.missing(found, ON_HOST, Missing.CONTAINER)
    return topic.ok("running as root")


def _may_read_page_owner(machine: Machine) -> bool:
    path = machine.root / machine.debugfs / "page_owner"
    return machine.euid == os.geteuid() and os.access(path, os.R_OK, effective_ids=True)


def has_debugfs(machine: Machine) -> bool:
    """Return whether debugfs is mounted, on any directory."""
    mount = machine.mounted_on(f"/{machine.debugfs}")
    return bool(mount and mount in machine.debugfs_mounts) or machine.exists(f"{machine.debugfs}/page_owner") is True


def check_debugfs(machine: Machine) -> Check:
    """Check that debugfs is mounted."""
    topic = Topic(CheckCode.DEBUGFS, "debugfs")
    if has_debugfs(machine):
        return topic.ok(f"debugfs is mounted on /{machine.debugfs}")
    cause, found, fix = _why_no_debugfs(machine)
    return topic.missing(found, fix, cause)


def _why_no_debugfs(machine: Machine) -> tuple[Missing, str, str]:
    option = machine.boot_option("debugfs")
    if option in ("off", "no-mount"):
        found = f"debugfs is disabled by debugfs={option} on the kernel's command line"
        return Missing.DEBUGFS_OFF, found, f"remove debugfs={option} from the kernel's command line and reboot"
    if option != "on" and machine.configured("CONFIG_DEBUG_FS_ALLOW_NONE"):
        found = "debugfs is disabled in the kernel's configuration (CONFIG_DEBUG_FS_ALLOW_NONE)"
        return Missing.DEBUGFS_OFF, found, "add debugfs=on to the kernel's command line and reboot"
    if "debugfs" not in (machine.read("proc/filesystems") or "debugfs").split():
        return Missing.NO_DEBUGFS, "the kernel has no debugfs", "use a kernel with CONFIG_DEBUG_FS=y"
    for hidden in machine.debugfs_mounts:
        hiding = machine.mounted_on(hidden.point)
        assert hiding is not None
        found = f"a mount of {hiding.kind} on {hidden.point} hides debugfs"
        return Missing.NOT_MOUNTED, found, f"umount {shlex.quote(hidden.point)}"
    if machine.is_confined:
        found = "debugfs is not mounted in this container"
        return Missing.CONTAINER, found, f"{ON_HOST}; or give the container /{DEBUGFS} and the privileges to read it"
    return Missing.NOT_MOUNTED, f"debugfs is not mounted on /{DEBUGFS}", _MOUNT


# 358fcf5ddbec, 5.17 (stable 5.15): debugfs files of mode 0400 can be read under lockdown.
def check_lockdown(machine: Machine) -> Check:
    """Report the lockdown mode."""
    topic, mode = Topic(CheckCode.LOCKDOWN, "lockdown"), machine.lockdown
    if mode == "none":
        return topic.ok("kernel lockdown is off")
    if mode:
        found = f"kernel lockdown is on ({mode}): page_owner can be read if its file is read-only"
        return topic.ok(found)
    if machine.configured("CONFIG_SECURITY_LOCKDOWN_LSM") == "" or machine.mounted_on("/sys/kernel/security"):
        return topic.ok("the kernel has no lockdown")
    fix = "mount -t securityfs securityfs /sys/kernel/security"
    return topic.unknown("kernel lockdown is unknown: securityfs is not mounted", fix)
