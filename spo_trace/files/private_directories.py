# SPDX-License-Identifier: LGPL-2.1-or-later
"""Private cache and scratch directories, never with a predictable name in a shared directory."""

import atexit
import logging
import os
import pwd
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from spo_trace.errors import SpoTraceError

_logger = logging.getLogger(__name__)

__all__ = ["cache_directory", "refuse_shared", "scratch_directory"]


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
    refuse_shared(directory)
    return directory


def refuse_shared(directory: Path) -> None:
    """Raise SpoTraceError if other users can put files into a cache directory."""
    status = directory.stat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise SpoTraceError(f"other users can write to the cache directory {directory}", hint=_HINT)


_HINT = "set XDG_CACHE_HOME to a directory that only you can write to"


# The XDG Base Directory Specification: "If an implementation encounters a relative path … it should … ignore it."
def _cache_base() -> Path:
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if given.is_absolute():
        return given
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  # Path.home() fails without a home directory
    # sudo may keep the caller's HOME, but root's files must not be kept in another user's home. In a container, the
    # user may have no entry in /etc/passwd.
    if home.is_dir() and home.stat().st_uid != os.geteuid():
        with suppress(KeyError):
            home = Path(pwd.getpwuid(os.geteuid()).pw_dir)
    if not home.is_absolute():
        raise SpoTraceError("there is no home directory for cache files", hint=_HINT)
    return home / ".cache"


@cache
def scratch_directory() -> Path:
    """Return a private directory that is removed when the process ends.

    It is in the user's cache, which is more often on a disk than $TMPDIR is. Without a usable cache, it is in $TMPDIR.
    """
    try:
        directory = Path(tempfile.mkdtemp(prefix="scratch-", dir=cache_directory()))
    except (SpoTraceError, OSError) as error:
        directory = Path(tempfile.mkdtemp(prefix="spo-trace-"))
        _logger.warning("%s; using %s instead", error, directory)
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory
