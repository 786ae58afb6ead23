# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which kernel file a captured file is, by its name or by its content."""

import re
from collections.abc import Iterator
from pathlib import Path

from spo_trace.formats.copied_text import is_changed
from spo_trace.formats.text_encoding import plain_head
from spo_trace.sources.compression import SUFFIXES, without_suffix
from spo_trace.sources.source import PATHS

__all__ = ["FRAMES", "name_by_content", "name_by_path", "spellings"]

# Lines of a stack at the beginning of show_stacks_handles.
FRAMES = rb"(?:[ \t]*(?:[^\s+]+\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[[^]\n]+\])?|0x[0-9a-f]+)\r?\n)+"

_CONTENT = (
    (
        re.compile(rb"^(?:Page allocated via order |Page order \d+, mask 0x[0-9a-f]+, type \[)", re.MULTILINE),
        "page_owner",
    ),
    (re.compile(rb"^Page allocated via pid ", re.MULTILINE), "swap_page_owner"),
    (re.compile(rb"\Aallocinfo - version: "), "allocinfo"),
    (re.compile(rb"\A\s*handle: \d+\r?\nnr_base_pages: "), "show_handles"),
    (re.compile(rb"^(?:nr_base_pages|stack_count): ", re.MULTILINE), "show_stacks"),
    (re.compile(rb"\A[\r\n]*" + FRAMES + rb"handle: \d+\r?\n\r?\n"), "show_stacks_handles"),
)


def spellings(path: Path) -> Iterator[Path]:
    """Yield a path as it is and with the suffix of each compression."""
    yield path
    for suffix in SUFFIXES:
        yield path.with_name(path.name + suffix)


def name_by_path(path: Path) -> str | None:
    """Return the name in PATHS of the kernel file that a file is named after, compressed or not."""
    name = without_suffix(path.name)
    return name if name in PATHS else None


def name_by_content(head: bytes) -> str | None:
    """Return the name in PATHS of the kernel file that begins with `head`, None if it is unknown."""
    head = plain_head(head)
    if (name := next((name for pattern, name in _CONTENT if pattern.search(head)), None)) is not None:
        return name
    if not is_changed(head):
        return None
    return "swap_page_owner" if b"Page allocated via pid " in head else "page_owner"
