# SPDX-License-Identifier: LGPL-2.1-or-later
"""Output of root belongs to the user who called sudo; native/collect/owner.c does the same and explains it."""

import os
from typing import NamedTuple, Self

from spo_trace.collector.messages import reason, warn

__all__ = ["Owner"]

_MAX_ID = 0xFFFFFFFE


class Owner(NamedTuple):
    """A user and a group."""

    uid: int
    gid: int

    @classmethod
    def within(cls, directory: int, target: str) -> Self | None:
        """Return the owner of `target` in an open directory, None if it stays with this process's user."""
        uid, gid = _id_of("SUDO_UID"), _id_of("SUDO_GID")
        if os.geteuid() != 0 or not uid or gid is None:
            return None
        owner = cls(uid, gid)
        if owner._may_write(os.fstat(directory)):
            return owner
        warn(f"{target} belongs to root: the user who called sudo may not write there")
        return None

    def give(self, fd: int) -> bool:
        """Give an open file to the owner; return whether that was possible."""
        try:
            os.fchown(fd, self.uid, self.gid)
        except OSError as error:
            warn(f"the owner of the capture cannot be changed: {reason(error)}")
            return False
        return True

    def _may_write(self, status: os.stat_result) -> bool:
        shift = 6 if status.st_uid == self.uid else 3 if status.st_gid == self.gid else 0
        return status.st_mode >> shift & 3 == 3


def _id_of(name: str) -> int | None:
    text = os.environ.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        return None
    return int(text) if int(text) <= _MAX_ID else None
