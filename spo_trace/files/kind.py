# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kinds of output directories: only those that spo-trace made, and can recognise, are replaced."""

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from spo_trace.errors import Argument, SpoTraceError
from spo_trace.files.descriptors import cannot_write, names, open_directory

__all__ = ["Kind", "check_target", "open_old"]


class Kind(NamedTuple):
    """A kind of output directory: its name in messages, and how to recognise it.

    `files`: return the paths of all files in an open directory if it is of this kind and contains nothing else, and
    None otherwise.
    """

    name: str
    files: Callable[[int], Sequence[str] | None]


def check_target(target: Path, kind: Kind, *, force: bool) -> None:
    """Raise SpoTraceError if `target` exists and can't be replaced."""
    fd = open_old(str(target), None, kind, force=force, shown=target)
    if fd is not None:
        os.close(fd)


def open_old(name: str, parent: int | None, kind: Kind, *, force: bool, shown: Path) -> int | None:
    """Open the directory `name` that is to be replaced, None if there is none.

    Raise SpoTraceError if it is not of this kind, or if `force` is not given.
    """
    try:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISLNK(status.st_mode):
        raise SpoTraceError(f"{shown} is a symbolic link", hint="links are not followed: give the directory itself")
    try:
        fd = _open_kind(name, parent, kind)
    except PermissionError as error:
        raise cannot_write(shown, error, "choose another name") from error
    if fd is None:
        raise SpoTraceError(f"{shown} exists and is not {kind.name}", hint="choose another name")
    if not force:
        os.close(fd)
        raise SpoTraceError(
            f"{shown} exists", hint=("choose another name, or replace it with ", Argument("force", True))
        )
    return fd


# An empty directory can always be replaced: nothing is lost.
def _open_kind(name: str, parent: int | None, kind: Kind) -> int | None:
    try:
        fd = open_directory(name, parent)
    except NotADirectoryError:
        return None
    try:
        recognised = not names(fd) or kind.files(fd) is not None
    except BaseException:
        os.close(fd)
        raise
    if recognised:
        return fd
    os.close(fd)
    return None
