# SPDX-License-Identifier: LGPL-2.1-or-later
"""Why a file of the kernel's can't be read, and what mends it."""

import errno
import os
from pathlib import Path

from spo_trace.errors import SpoTraceError

__all__ = ["MEND", "explain"]

MEND = {
    errno.EPERM: "kernel lockdown (see /sys/kernel/security/lockdown) or this container forbids it",
    errno.EACCES: "only root may read it: run it with sudo",
    errno.EINVAL: "page_owner is compiled in but not switched on: boot with page_owner=on",
}


def explain(path: Path, error: OSError) -> SpoTraceError:
    """Return the error that tells a user what `error` means for the kernel's file `path`, and what mends it."""
    number = error.errno or 0
    mend = MEND.get(number, "run: spo-trace doctor")
    return SpoTraceError(
        f"{path} can't be read: {os.strerror(number)} ({errno.errorcode.get(number, number)})", hint=mend
    )
