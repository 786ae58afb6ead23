# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owner and permissions of every file and directory that spo-trace writes."""

import logging
import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

from spo_trace.errors import Argument, SpoTraceError, UsageError
from spo_trace.files.accounts import Account, caller, find_account
from spo_trace.files.descriptors import open_directory
from spo_trace.printable import printable

__all__ = ["OWN", "Access", "Grant", "access_for", "directory_mode", "granted_directory", "parse_mode"]

_logger = logging.getLogger(__name__)

PRIVATE_MODE = 0o600
_ALLOWED = 0o664
_MODE_HINT = "use a mode such as 0600, 0640, 0644 or 0660"


class Access(NamedTuple):
    """The owner of an output (None: the user of this process) and the permission bits of its files.

    `implied`: the account is the caller of sudo, who becomes the owner only in directories that they may write to.
    `refused`: why the caller of sudo does not become the owner.
    """

    account: Account | None = None
    mode: int = PRIVATE_MODE
    implied: bool = False
    refused: str = ""

    def grant_in(self, parent: int, target: Path, *, warn: bool = True) -> "Grant":
        """Return the grant for `target` in an open directory; `warn` if sudo's caller does not become its owner."""
        why = self.refused
        if self.implied and self.account and not self.account.may_write(os.fstat(parent)):
            why = f"{self.account.name} may not write to {target.parent}"
        if why:
            if warn:
                _warn_of_root(target, why)
            return Grant(None, self.mode, target, implied=self.implied)
        return Grant(self.account, self.mode, target, implied=self.implied)


# For files that stay with the process's own user, such as caches and scratch files.
OWN = Access()


class Grant:
    """Set the owner and the mode of open files and directories that belong to one output."""

    def __init__(self, account: Account | None, mode: int, target: Path, *, implied: bool) -> None:
        self._account = account
        self._mode = mode
        self._target = target
        self._implied = implied

    def apply(self, fd: int) -> None:
        """Set the owner and mode of an open file or directory; raise SpoTraceError if that fails."""
        status = os.fstat(fd)
        mode = directory_mode(self._mode) if stat.S_ISDIR(status.st_mode) else self._mode
        if stat.S_IMODE(status.st_mode) != mode:
            os.fchmod(fd, mode)
        account = self._account
        if account is None or (status.st_uid, status.st_gid) == (account.uid, account.gid):
            return
        try:
            os.fchown(fd, account.uid, account.gid)
        except OSError as error:
            self._failed(f"its owner cannot be changed: {error.strerror}")

    # Some file systems have no owners. Without --owner, a snapshot that took minutes must not be lost for that.
    def _failed(self, why: str) -> None:
        if not self._implied:
            raise SpoTraceError(
                f"{self._target}: {why}",
                hint=("leave out ", Argument("owner"), ", or choose another place with ", Argument("output")),
            )
        _warn_of_root(self._target, why)
        self._account = None


def _warn_of_root(target: Path, why: str) -> None:
    shown = printable(str(target)), printable(why)
    _logger.warning("%s belongs to root: %s. To give it to a user, add %s", *shown, Argument("owner", "USER"))


def granted_directory(name: str, parent: int, target: Path, access: Access, *, warn: bool = True) -> None:
    """Make a directory in an open one, with the owner and mode of `access`, unless the name exists; raise OSError.

    `target`: its path for messages. `warn`: as for `grant_in`.
    """
    try:
        os.mkdir(name, 0o700, dir_fd=parent)
    except FileExistsError:
        return
    fd = open_directory(name, parent)
    try:
        access.grant_in(parent, target, warn=warn).apply(fd)
    finally:
        os.close(fd)


def access_for(owner: str | None = None, mode: int | None = None) -> Access:
    """Return the access for `owner` (USER or USER:GROUP) and `mode`; by default sudo's caller and 0600.

    Raise UsageError for an invalid user or mode, SpoTraceError if only root may give files to that user.
    """
    chosen = PRIVATE_MODE if mode is None else check_mode(mode)
    if owner is not None:
        return Access(_permitted(find_account(owner)), chosen)
    if os.geteuid() != 0:
        return Access(None, chosen)
    try:
        account = caller(os.environ)
    except ValueError as error:
        return Access(None, chosen, implied=True, refused=str(error))
    return Access(account, chosen, implied=account is not None)


def _permitted(account: Account) -> Account:
    if os.geteuid() != 0 and (account.uid != os.geteuid() or account.gid not in {os.getegid(), *os.getgroups()}):
        raise SpoTraceError(
            "only root can give files to another user or group", hint=("use sudo, or leave out ", Argument("owner"))
        )
    return account


def parse_mode(text: str) -> int:
    """Return the mode written in octal digits, such as 0640; raise UsageError for anything else."""
    if not re.fullmatch(r"(0o)?[0-7]{1,5}", text):
        raise UsageError(f"{text!r} is not a mode", hint=_MODE_HINT)
    return check_mode(int(text.removeprefix("0o"), 8))


def check_mode(mode: int) -> int:
    """Return `mode` if output files may have it, else raise UsageError."""
    if mode & 0o002:
        raise UsageError(f"mode {mode:04o} allows everyone to change the files", hint=_MODE_HINT)
    if mode & ~_ALLOWED or mode & PRIVATE_MODE != PRIVATE_MODE:
        raise UsageError(f"mode {mode:04o} is not a mode for output files", hint=_MODE_HINT)
    return mode


def directory_mode(mode: int) -> int:
    """Return the mode of a directory whose files have `mode`: users who may read or write files may search it.

    >>> f"{directory_mode(0o640):04o}"
    '0750'
    """
    return mode | (mode & 0o444) >> 2 | (mode & 0o222) >> 1
