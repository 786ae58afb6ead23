# SPDX-License-Identifier: LGPL-2.1-or-later
"""A series of aggregates, or of copies of /proc/allocinfo: files in one directory, each of which is a sample."""

from pathlib import Path

from spo_trace.formats.aggregate_kind import AggregateKind
from spo_trace.formats.allocinfo import FILE as SITES
from spo_trace.formats.copied_text import HEAD
from spo_trace.sources.compression import head_of
from spo_trace.sources.file_identity import name_by_content
from spo_trace.sources.input_file import entries, open_regular

__all__ = ["aggregates_in"]

_MAP = "show_stacks_handles"


def aggregates_in(directory: Path) -> list[list[str]]:
    """Return the paths of each sample: a text of any name, and the stacks of its handles.

    They are in the order in which the files were modified, because the text has no time, and then in order of name. One
    file show_stacks_handles is that of all samples: a stack never changes its handle.
    """
    files = [path for path in entries(directory) if not path.name.startswith(".") and path.is_file()]
    named = [(path, _name(path)) for path in sorted(files, key=lambda path: (path.stat().st_mtime, path))]
    maps = [str(path) for path, name in named if name == _MAP]
    samples = [(str(path), name) for path, name in named if name in (*AggregateKind, SITES)]
    with_map = maps if len(maps) == 1 else []
    return [[path, *(with_map if name == AggregateKind.SHOW_HANDLES else [])] for path, name in samples]


def _name(path: Path) -> str | None:
    with open_regular(path) as raw:
        return name_by_content(head_of(raw, HEAD))
