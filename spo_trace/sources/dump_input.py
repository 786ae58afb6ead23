# SPDX-License-Identifier: LGPL-2.1-or-later
"""Recognise dumps of memory among the files that the user names."""

from collections.abc import Sequence
from pathlib import Path

from spo_trace.memory.signatures import LONGEST, is_dump
from spo_trace.sources.input_file import open_file

__all__ = ["has_dump", "is_dump_file"]


def has_dump(paths: Sequence[str]) -> bool:
    """Return whether one of the paths is a dump, by its first bytes."""
    return any(map(is_dump_file, paths))


def is_dump_file(path: str) -> bool:
    """Return whether a path is a dump, by its first bytes; raise SpoTraceError if it cannot be read."""
    if path == "-" or not Path(path).is_file():
        return False
    with open_file(path) as file:
        return is_dump(file.read(LONGEST))
