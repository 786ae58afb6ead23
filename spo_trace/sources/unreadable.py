# SPDX-License-Identifier: LGPL-2.1-or-later
"""Why a kernel file of this machine cannot be read, and how to fix it."""

import errno
import os
from pathlib import Path

from spo_trace.errors import SpoTraceError
from spo_trace.formats.missing import Missing, Why
from spo_trace.machine.facts import Machine
from spo_trace.machine.needs import why_no_page_owner

__all__ = ["Unreadable", "explain"]


class Unreadable(SpoTraceError):
    """Signal that a kernel file cannot be read; `code`, message and hint give the cause and the fix."""

    def __init__(self, message: str, why: Why) -> None:
        super().__init__(message, hint=why.hint or "run: spo-trace doctor")
        self.code = why.code


def explain(path: Path, error: OSError, machine: Machine) -> Unreadable:
    """Return an error that explains to a user why `path` can't be read."""
    number = error.errno or 0
    # Usually access to all of debugfs is denied, or page_owner is off, for a cause that why_no_page_owner() finds.
    if number in (errno.EACCES, errno.EPERM, errno.EINVAL) and (why := why_no_page_owner(machine)):
        return Unreadable(f"page_owner can't be read: {why.text}", why)
    text = f"{os.strerror(number)} ({errno.errorcode.get(number, number)})"
    return Unreadable(f"{_denied(path, number)} can't be read: {text}", _why(number, text))


# The kernel may not even have a file in a directory that this user may not search: name the directory.
def _denied(path: Path, number: int) -> Path:
    while number == errno.EACCES and not os.access(path.parent, os.X_OK, effective_ids=True) and path.parent != path:
        path = path.parent
    return path


def _why(number: int, text: str) -> Why:
    if number in (errno.EACCES, errno.EPERM):
        hint = "kernel lockdown, a security module (SELinux, AppArmor) or a container denies access"
        return Why(Missing.PERMISSION, text, hint)
    return Why(Missing.READ_ERROR, text)
