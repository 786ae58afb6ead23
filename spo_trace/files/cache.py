# SPDX-License-Identifier: LGPL-2.1-or-later
"""This user's cache directory: private, and never below a directory of another user if the user is root."""

import errno
import os
import pwd
import stat
from contextlib import suppress
from pathlib import Path

from spo_trace.errors import SpoTraceError

__all__ = ["cache_directory"]

_HINT = "set XDG_CACHE_HOME to a directory that only you can write to"


def cache_directory() -> Path:
    """Return this user's cache directory for spo-trace; create it if necessary (mode 0700).

    Raise SpoTraceError if it can't be created, or if other users can put files into it.
    """
    directory = _cache_base() / "spo-trace"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SpoTraceError(
            f"the cache directory {directory} can't be created: {error.strerror}", hint=_HINT
        ) from error
    _refuse_shared(directory)
    return directory


def _refuse_shared(directory: Path) -> None:
    status = directory.stat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise SpoTraceError(f"other users can write to the cache directory {directory}", hint=_HINT)


# The XDG Base Directory Specification: "If an implementation encounters a relative path … it should … ignore it."
# `sudo -E` keeps the caller's XDG_CACHE_HOME and HOME. Root's files must not be kept there, nor below a directory of
# root in there: the user could replace them, and could not write to a cache directory that root created.
def _cache_base() -> Path:
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if given.is_absolute() and (os.geteuid() != 0 or _is_of_root(given)):
        return Path(os.path.realpath(given))
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  # Path.home() fails without a home directory
    # In a container, the user may have no entry in /etc/passwd.
    if not (_is_of_root(home) if os.geteuid() == 0 else _is_own_or_absent(home)):
        with suppress(KeyError):
            home = Path(pwd.getpwuid(os.geteuid()).pw_dir)
    if not home.is_absolute():
        raise SpoTraceError("there is no home directory for cache files", hint=_HINT)
    return home / ".cache"


def _is_own_or_absent(home: Path) -> bool:
    return not home.is_dir() or home.stat().st_uid == os.geteuid()


# Whether no other user can replace a directory or link of the path, so far as it exists. realpath(), unlike
# Path.resolve(), does not fail for a loop of links.
def _is_of_root(path: Path) -> bool:
    place = Path(os.path.realpath(path))
    return all(map(_only_root_writes, {path, *path.parents, place, *place.parents}))


def _only_root_writes(path: Path) -> bool:
    try:
        status = path.stat()
    except OSError as error:
        return error.errno in (errno.ENOENT, errno.ENOTDIR)
    shared = stat.S_ISDIR(status.st_mode) and status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX
    return status.st_uid == 0 and not shared
