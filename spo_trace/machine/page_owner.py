# SPDX-License-Identifier: LGPL-2.1-or-later
"""Check whether page_owner can be read; without debugfs or root, from the boot options and the configuration."""

import errno
import os
from pathlib import Path

from spo_trace.formats.missing import Missing
from spo_trace.machine.access import ON_HOST, has_debugfs
from spo_trace.machine.check import Check, CheckCode, Topic
from spo_trace.machine.command_line import switches_on
from spo_trace.machine.facts import Machine

__all__ = ["check_page_owner", "first_record", "has_page_owner", "is_patched"]

# Kernels without the patches take `on,swap` as `on` or not at all, depending on the release.
_WITH_SWAP = "page_owner=on,swap"
_EITHER = f"page_owner=on ({_WITH_SWAP} if the kernel has the swap_page_owner patches)"

_TOPIC = Topic(CheckCode.PAGE_OWNER, "page_owner")

# More than page_owner returns for one read(2).
_RECORD = 1 << 16


def _path(machine: Machine) -> str:
    return f"{machine.debugfs}/page_owner"


def has_page_owner(machine: Machine) -> bool:
    """Return whether this user can see the file page_owner."""
    return machine.exists(_path(machine)) is True


def check_page_owner(machine: Machine) -> Check:
    """Check that page_owner can be read, or without access to it, that it is built in and enabled."""
    there = machine.exists(_path(machine))
    if there:
        try:
            content = first_record(machine.root / _path(machine))
        except OSError as error:
            return _unreadable(machine, error)
        if content:
            return _TOPIC.ok("page_owner can be read")
        return _TOPIC.missing("page_owner is empty", f"boot with {_option(machine)}", Missing.EMPTY)
    return _from_boot(machine, absent=there is False and has_debugfs(machine))


def _unreadable(machine: Machine, error: OSError) -> Check:
    number = error.errno or 0
    if number == errno.EACCES and machine.euid != 0:
        return _from_boot(machine, absent=False)
    if number == errno.EPERM and machine.lockdown not in (None, "none"):
        found = f"kernel lockdown ({machine.lockdown}) forbids reading page_owner"
        return _TOPIC.missing(found, "boot without lockdown= and without Secure Boot", Missing.LOCKDOWN)
    if number == errno.EINVAL:
        found = "page_owner is built in, but not enabled"
        return _TOPIC.missing(found, _boot(machine), Missing.NOT_SWITCHED_ON)
    found = f"page_owner can't be read: {os.strerror(number)} ({errno.errorcode.get(number, number)})"
    if number not in (errno.EPERM, errno.EACCES):
        return _TOPIC.missing(found, "", Missing.READ_ERROR)
    if machine.in_container:
        return _TOPIC.missing(f"{found}, in a container", ON_HOST, Missing.CONTAINER)
    return _TOPIC.missing(found, "look for a security module's rule (SELinux, AppArmor)", Missing.PERMISSION)


# The check for a page_owner that does not exist (`absent`) or that this user cannot look at.
def _from_boot(machine: Machine, *, absent: bool) -> Check:
    option = machine.boot_option("page_owner")
    built_in = _built_in(machine)
    if built_in is False:
        fix = f"use a kernel with CONFIG_PAGE_OWNER=y, booted with {_option(machine)}"
        return _TOPIC.missing("the kernel is built without CONFIG_PAGE_OWNER", fix, Missing.NOT_BUILT_IN)
    boot_note = f"; the command line has page_owner={option}" if option else ""
    if built_in and (absent or not switches_on(option)):
        found = f"page_owner is built in, but not enabled{boot_note}"
        return _TOPIC.missing(found, _boot(machine), Missing.NOT_SWITCHED_ON)
    if absent:
        fix = f"use a kernel with CONFIG_PAGE_OWNER=y, and {_boot(machine)}"
        return _TOPIC.missing(f"the kernel has no page_owner file{boot_note}", fix, Missing.NO_FILE)
    if not switches_on(option):
        words = f"page_owner={option}" if option else "no page_owner=on"
        found = f"page_owner is not enabled: the kernel's command line has {words}"
        return _TOPIC.missing(found, _boot(machine), Missing.NOT_SWITCHED_ON)
    subject = "page_owner is built in, and" if built_in else "page_owner"
    found = f"{subject} enabled by page_owner={option}; whether it can be read is unknown"
    return _TOPIC.unknown(found)


def _boot(machine: Machine) -> str:
    return f"add {_option(machine)} to the kernel's command line (GRUB_CMDLINE_LINUX, then update-grub) and reboot"


def _option(machine: Machine) -> str:
    return {True: _WITH_SWAP, False: "page_owner=on", None: _EITHER}[is_patched(machine)]


def _built_in(machine: Machine) -> bool | None:
    configured = machine.configured("CONFIG_PAGE_OWNER")
    return machine.has_symbol("__set_page_owner") if configured is None else configured == "y"


def is_patched(machine: Machine) -> bool | None:
    """Return whether the kernel has swap_page_owner; None if its configuration and its symbols are unknown.

    The symbols are those of the running kernel; a file of its configuration may be of another kernel of the same name.
    """
    if b"swap_page_owner" in machine.kallsyms or machine.exists(f"{machine.debugfs}/swap_page_owner"):
        return True
    configured = machine.configured("CONFIG_SWAP_PAGE_OWNER")
    if configured is None:
        return False if machine.kallsyms else None
    return configured == "y"


def first_record(path: Path) -> bytes:
    """Return what one read(2) of a kernel file returns; `?` if the first record is too large for the kernel."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, _RECORD)
    except OSError as error:
        # The first record is larger than the kernel's buffer.
        if error.errno != errno.ENOMEM:
            raise
        return b"?"
    finally:
        os.close(fd)
