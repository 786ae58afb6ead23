# SPDX-License-Identifier: LGPL-2.1-or-later
"""An output file: it appears under its name only when it is complete and has its owner and mode."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from spo_trace.files.access import OWN, Access, Grant
from spo_trace.files.descriptors import cannot_write, create, open_parent, unforeseen

__all__ = ["replacement", "written"]


@contextmanager
def written(target: Path, access: Access = OWN) -> Iterator[BinaryIO]:
    """Write the file `target` and replace an existing one; raise SpoTraceError if that fails.

    An existing link is replaced, not followed.
    """
    parent = open_parent(target)
    with ExitStack() as stack:
        stack.callback(os.close, parent)
        try:
            file = stack.enter_context(replacement(parent, target.name, access.grant_in(parent, target)))
        except OSError as error:
            raise cannot_write(target, error) from error
        yield file


@contextmanager
def replacement(parent: int, name: str, grant: Grant) -> Iterator[BinaryIO]:
    """Write the file `name` in the open directory `parent` and replace an existing one."""
    temporary = unforeseen(name, "tmp")
    try:
        fd = create(temporary, parent)
        try:
            # A duplicate, because the caller may close the file before its owner and mode are set.
            with os.fdopen(os.dup(fd), "wb") as file:
                yield file
            grant.apply(fd)
        finally:
            os.close(fd)
        os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=parent)
        raise
