# SPDX-License-Identifier: LGPL-2.1-or-later
"""Places for files that only this user may see, never a predictable name in a shared directory."""

import atexit
import logging
import os
import pwd
import secrets
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from spo_trace.errors import Argument, SpoTraceError

_logger = logging.getLogger(__name__)

__all__ = ["cache_directory", "make_sibling", "refuse_shared", "scratch_directory", "sibling_name", "take_place"]


def cache_directory() -> Path:
    """Return this user's cache directory for spo-trace, made if need be (mode 0700).

    Raise SpoTraceError if it can't be made, or if somebody else could put files into it.
    """
    directory = _cache_base() / "spo-trace"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SpoTraceError(f"the cache directory {directory} can't be made: {error.strerror}", hint=_HINT) from error
    refuse_shared(directory)
    return directory


def refuse_shared(directory: Path) -> None:
    """Raise SpoTraceError if somebody else could put files into a cache directory."""
    status = directory.stat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise SpoTraceError(f"the cache directory {directory} is not yours alone", hint=_HINT)


def sibling_name(target: Path) -> Path:
    """Return a name beside `target` for `make_sibling`, which nobody can foresee.

    Who knows it before the directory is there can remove it whenever an interrupt comes.
    """
    return target.parent / f".{target.name}.tmp-{secrets.token_hex(8)}"


def make_sibling(directory: Path, target: Path) -> None:
    """Make `directory` (mode 0700: nobody else can put a file or a link into it), in which `target` is begun."""
    try:
        directory.mkdir(mode=0o700)
    except OSError as error:
        hint = ("name a directory of yours with ", Argument("output"))
        raise SpoTraceError(f"{target} can't be written: {error.strerror}", hint=hint) from error


def take_place(directory: Path, target: Path) -> None:
    """Give `directory` the name `target`; a directory of that name is removed, but comes back if that fails."""
    # rename(2) replaces only an empty directory: the old one steps aside first.
    if not target.exists():
        directory.rename(target)
        return
    # A sibling by its full name: `.` and `x/..` have none that could be renamed.
    target = target.resolve()
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.old-", dir=target.parent))
    try:
        target.rename(aside / "old")
        directory.rename(target)
    except BaseException:
        if (aside / "old").exists() and not target.exists():
            (aside / "old").rename(target)
        # Not emptied: if putting it back failed too, the old directory is still in there.
        aside.rmdir()
        raise
    shutil.rmtree(aside, ignore_errors=True)


_HINT = "set XDG_CACHE_HOME to a directory of yours"


# The XDG Base Directory Specification: "If an implementation encounters a relative path … it should … ignore it."
def _cache_base() -> Path:
    told = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if told.is_absolute():
        return told
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  # Path.home() fails where there is none
    # sudo may leave HOME as it was: nothing of root's is kept in another user's home. In a container, the user may
    # have no entry in /etc/passwd.
    if home.is_dir() and home.stat().st_uid != os.geteuid():
        with suppress(KeyError):
            home = Path(pwd.getpwuid(os.geteuid()).pw_dir)
    if not home.is_absolute():
        raise SpoTraceError("there is no home directory to keep files in", hint=_HINT)
    return home / ".cache"


@cache
def scratch_directory() -> Path:
    """Return a private directory that is removed when the process ends.

    It is in the user's cache, which is on a disk more often than $TMPDIR is; there, if the cache can't be had.
    """
    try:
        directory = Path(tempfile.mkdtemp(prefix="scratch-", dir=cache_directory()))
    except (SpoTraceError, OSError) as error:
        directory = Path(tempfile.mkdtemp(prefix="spo-trace-"))
        _logger.warning("%s; %s is used in its place", error, directory)
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory
