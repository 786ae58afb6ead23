# SPDX-License-Identifier: LGPL-2.1-or-later
"""An output file: it appears under its name only when it is complete and has its owner and mode."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from spo_trace.errors import Argument, SpoTraceError, Text
from spo_trace.files.access import OWN, Access, Grant
from spo_trace.files.descriptors import (
    cannot_write,
    create,
    hidden_name,
    open_parent,
    replaced_meanwhile,
    same_file,
    sync_names,
)
from spo_trace.files.renaming import rename_new

__all__ = ["new_file", "written"]

_FORCE = ("replace it with ", Argument("force", True))


@contextmanager
def written(target: Path, access: Access = OWN, *, force: bool = False) -> Iterator[BinaryIO]:
    """Write the file `target`; raise SpoTraceError if that fails, or if it exists and `force` is not given.

    With `force`, an existing link is replaced, not followed.
    """
    parent = open_parent(target)
    with ExitStack() as stack:
        stack.callback(os.close, parent)
        try:
            file = stack.enter_context(new_file(parent, target, access.grant_in(parent, target), force=force))
        except OSError as error:
            raise cannot_write(target, error) from error
        yield file


@contextmanager
def new_file(
    parent: int, target: Path, grant: Grant, *, force: bool = False, if_exists: Text = _FORCE
) -> Iterator[BinaryIO]:
    """Write a file with the name of `target` in the open directory `parent`, otherwise as `written`.

    `if_exists`: the hint if it exists.
    """
    temporary = hidden_name()
    fd = None
    try:
        fd = create(temporary, parent)
        # A duplicate, because the caller may close the file before its owner and mode are set.
        with os.fdopen(os.dup(fd), "wb") as file:
            yield file
        grant.apply(fd)
        # Otherwise the name could be on the disk before the content, and a power failure would leave an empty file.
        os.fsync(fd)
        try:
            _name(temporary, target, parent, fd, force=force)
        except FileExistsError as error:
            raise SpoTraceError(f"{target} exists", hint=if_exists) from error
    except BaseException:
        if fd is None or same_file(temporary, parent, fd):
            with suppress(OSError):
                os.unlink(temporary, dir_fd=parent)
        raise
    finally:
        if fd is not None:
            os.close(fd)
    sync_names(parent)


# A user who may write to `parent` can replace the temporary name at any time. Check it before the rename, and again
# after: only then is it certain that the name leads to what was written.
def _name(temporary: str, target: Path, parent: int, fd: int, *, force: bool) -> None:
    if not same_file(temporary, parent, fd):
        raise replaced_meanwhile(target)
    if force:
        os.rename(temporary, target.name, src_dir_fd=parent, dst_dir_fd=parent)
    else:
        rename_new(temporary, target.name, parent)
    if not same_file(target.name, parent, fd):
        raise replaced_meanwhile(target)
