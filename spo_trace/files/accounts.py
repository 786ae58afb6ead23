# SPDX-License-Identifier: LGPL-2.1-or-later
"""Users of this machine, by name or number: from --owner, or from the environment of sudo, pkexec and doas."""

import grp
import os
import pwd
import re
from collections.abc import Mapping
from typing import NamedTuple

from spo_trace.errors import Argument, UsageError

__all__ = ["Account", "caller", "find_account"]

# For chown(2), the largest value, (uid_t) -1, means "leave unchanged".
_MOST = (1 << 32) - 2

_HINT = "name a user or USER:GROUP; numbers work too, such as 1000:1000"


class Account(NamedTuple):
    """A user, the group for new files, and all groups of the user."""

    uid: int
    gid: int
    name: str
    groups: frozenset[int]

    def may_write(self, directory: os.stat_result) -> bool:
        """Return whether the mode bits of a directory allow this user to create files in it; ACLs are ignored."""
        if directory.st_uid == self.uid:
            bits = directory.st_mode >> 6
        elif directory.st_gid in self.groups:
            bits = directory.st_mode >> 3
        else:
            bits = directory.st_mode
        return bits & 0o3 == 0o3


def find_account(text: str) -> Account:
    """Return the account for USER or USER:GROUP; raise UsageError if it does not exist."""
    user, _, group = text.partition(":")
    entry = _user(user)
    uid = entry.pw_uid if entry else _number(user)
    if uid is None:
        raise UsageError(f"there is no user {user!r}", hint=_HINT)
    gid = _group(group) if group else None
    if group and gid is None:
        raise UsageError(f"there is no group {group!r}", hint=_HINT)
    if gid is None and entry is None:
        raise UsageError(
            f"the group of uid {uid} is unknown: it has no passwd entry", hint=Argument("owner", f"{uid}:GROUP")
        )
    login_gid = entry.pw_gid if entry else gid
    assert login_gid is not None
    return Account(uid, login_gid if gid is None else gid, user, _groups(entry))


def caller(environment: Mapping[str, str]) -> Account | None:
    """Return the user who became root through sudo, pkexec or doas; None without these, or if that user is root.

    Raise ValueError if the environment does not contain an existing user and a group of that user.
    """
    if "SUDO_UID" in environment:
        return _caller("SUDO_UID", environment["SUDO_UID"], environment.get("SUDO_GID", ""))
    if "PKEXEC_UID" in environment:
        return _caller("PKEXEC_UID", environment["PKEXEC_UID"])
    if "DOAS_USER" in environment:
        entry = _user(environment["DOAS_USER"])
        return _caller("DOAS_USER", str(entry.pw_uid) if entry else "")
    return None


# Without `gid_text`, the group is that of the user's passwd entry.
def _caller(variable: str, uid_text: str, gid_text: str | None = None) -> Account | None:
    uid = _number(uid_text)
    if uid == 0:
        return None
    entry = None if uid is None else _entry(uid)
    if entry is None:
        raise ValueError(f"{variable} is not a user of this machine")
    groups = _groups(entry)
    if gid_text is None:
        return Account(entry.pw_uid, entry.pw_gid, entry.pw_name, groups)
    gid = _number(gid_text)
    if gid is None or gid not in groups or not _is_group(gid):
        raise ValueError(f"SUDO_GID is not a group of {entry.pw_name}")
    return Account(entry.pw_uid, gid, entry.pw_name, groups)


# A user's name may consist of digits. Like chown(1), look up the name before the number.
def _user(text: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(text)
    except (KeyError, ValueError):
        number = _number(text)
        return None if number is None else _entry(number)


def _entry(uid: int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return None


def _group(text: str) -> int | None:
    try:
        return grp.getgrnam(text).gr_gid
    except (KeyError, ValueError):
        return _number(text)


def _is_group(gid: int) -> bool:
    try:
        grp.getgrgid(gid)
    except KeyError:
        return False
    return True


def _groups(entry: pwd.struct_passwd | None) -> frozenset[int]:
    return frozenset(os.getgrouplist(entry.pw_name, entry.pw_gid)) if entry else frozenset()


# int() would also accept signs, blanks, underscores and the digits of other scripts.
def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,10}", text) and int(text) <= _MOST else None
