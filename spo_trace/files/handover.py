# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a process that is replaced by another program leaves to it."""

import os
import stat
from typing import NamedTuple

from spo_trace.files.descriptors import is_leftover

__all__ = ["Handover"]


class Handover(NamedTuple):
    """Hold the open directories of an output directory, and its names in them."""

    parent: int
    fd: int
    temporary: str
    workspace: str

    def is_private(self) -> bool:
        """Return whether this process may have created the directory.

        The values come from the environment: a user who may set it for root must not choose what is removed.
        """
        try:
            status = os.fstat(self.fd)
        except (OSError, OverflowError, TypeError):
            return False
        names = (self.temporary, self.workspace)
        return (
            stat.S_ISDIR(status.st_mode)
            and status.st_uid == os.geteuid()
            and not status.st_mode & 0o077
            and all(isinstance(name, str) and is_leftover(name) and "/" not in name for name in names)
        )
