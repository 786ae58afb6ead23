# SPDX-License-Identifier: LGPL-2.1-or-later
"""A path that the user names for output: a file, which appears when it is complete, or a device, FIFO or descriptor."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spo_trace.errors import Argument, SpoTraceError
from spo_trace.files.access import Access
from spo_trace.files.complete_writes import CompleteWrites
from spo_trace.files.output_file import written
from spo_trace.files.special_file import is_descriptor, open_special

__all__ = ["check_file", "text_file"]


def check_file(path: Path, *, force: bool, argument: str = "output") -> None:
    """Raise SpoTraceError if `path`, given as `argument`, can't be written; call this before any other work.

    This is for an early message only: `text_file` checks what it opens.
    """
    if is_descriptor(path):
        return
    if path.is_symlink():
        raise SpoTraceError(f"{path} is a symbolic link", hint="links are not followed: name their target")
    if path.is_dir():
        raise SpoTraceError(f"{path} is a directory", hint=("name a file with ", Argument(argument)))
    if path.is_file() and not force:
        raise SpoTraceError(f"{path} exists", hint=("replace it with ", Argument("force", True)))
    if not path.exists() and not os.access(path.parent, os.W_OK | os.X_OK):
        why = "Permission denied" if path.parent.is_dir() else f"{path.parent} is not a directory"
        hint = ("name a directory that you can write to with ", Argument(argument))
        raise SpoTraceError(f"{path} can't be written: {why}", hint=hint)


@contextmanager
def text_file(path: Path, access: Access, *, force: bool = False) -> Iterator[io.TextIOWrapper]:
    """Open `path` as UTF-8.

    A file appears when it is complete, with the owner and mode of `access`, and replaces an existing one only with
    `force`. A device, FIFO or descriptor is written to, and keeps its owner and mode.
    """
    special = open_special(path)
    if special is not None:
        # A descriptor may be of a non-blocking pipe.
        with os.fdopen(special, "wb") as device, _as_text(CompleteWrites(device)) as file:
            yield file
        return
    with written(path, access, force=force) as raw, _as_text(raw) as file:
        yield file


def _as_text(raw: Any) -> io.TextIOWrapper:
    return io.TextIOWrapper(raw, encoding="utf-8", newline="")
