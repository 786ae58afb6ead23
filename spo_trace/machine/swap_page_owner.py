# SPDX-License-Identifier: LGPL-2.1-or-later
"""Check whether the kernel keeps the owners of swapped pages, and counts base pages for each stack."""

import errno
import os

from spo_trace.formats.missing import Missing
from spo_trace.machine.access import has_debugfs
from spo_trace.machine.check import Check, CheckCode, Topic
from spo_trace.machine.command_line import wants_swap
from spo_trace.machine.facts import Machine
from spo_trace.machine.page_owner import first_record, has_page_owner, is_patched

__all__ = ["check_stacks", "check_swap"]

_SWAP_TOPIC = Topic(CheckCode.SWAP_PAGE_OWNER, "swap_page_owner")


def check_swap(machine: Machine) -> Check:
    """Check that the kernel keeps the owners of swapped pages."""
    path = f"{machine.debugfs}/swap_page_owner"
    there = machine.exists(path)
    if there:
        try:
            first_record(machine.root / path)
        except OSError as error:
            return _unreadable_swap(machine, error)
        return _SWAP_TOPIC.ok("the kernel keeps the owners of swapped pages")
    patched = is_patched(machine)
    if there is False and has_debugfs(machine) and (not patched or has_page_owner(machine)):
        found = "the kernel has no swap_page_owner file"
        if wants_swap(machine.cmdline) and has_page_owner(machine):
            found += ": it treats the boot option page_owner=on,swap as page_owner=on"
        return _SWAP_TOPIC.optional(found, _PATCHES, Missing.NO_FILE)
    if patched is False:
        return _SWAP_TOPIC.optional("the kernel has no swap_page_owner", _PATCHES, Missing.NOT_BUILT_IN)
    if patched and not wants_swap(machine.cmdline):
        return _swap_not_tracked()
    found = "whether the kernel keeps the owners of swapped pages is unknown"
    return _SWAP_TOPIC.unknown(found)


_PATCHES = "use a kernel with the swap_page_owner patches, booted with page_owner=on,swap; or: sudo spo-trace trace"


def _swap_not_tracked() -> Check:
    found = "page_owner does not track swap"
    fix = "boot with page_owner=on,swap"
    return _SWAP_TOPIC.optional(found, fix, Missing.NOT_SWITCHED_ON)


# read(2) fails with EINVAL unless the kernel was booted with page_owner=on,swap.
def _unreadable_swap(machine: Machine, error: OSError) -> Check:
    number = error.errno or 0
    if number == errno.EINVAL:
        return _swap_not_tracked()
    found = f"swap_page_owner can't be read: {os.strerror(number)} ({errno.errorcode.get(number, number)})"
    if number == errno.EACCES and machine.euid != 0:
        return _SWAP_TOPIC.unknown(found)
    cause = Missing.PERMISSION if number in (errno.EPERM, errno.EACCES) else Missing.READ_ERROR
    return _SWAP_TOPIC.optional(found, "", cause)


def check_stacks(machine: Machine) -> Check:
    """Check that the kernel counts base pages for each stack (page_owner_stacks)."""
    topic = Topic(CheckCode.PAGE_OWNER_STACKS, "page_owner_stacks")
    there = machine.exists(f"{machine.debugfs}/page_owner_stacks/show_stacks")
    if there:
        return topic.ok("the kernel counts base pages for each stack")
    if there is None or not has_page_owner(machine):
        return topic.unknown("whether the kernel counts base pages for each stack is unknown")
    found = "the kernel does not count base pages for each stack"
    return topic.optional(found, "use Linux 6.9 or later; verify works without it", Missing.NO_FILE)
