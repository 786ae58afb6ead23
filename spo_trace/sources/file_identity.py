# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which kernel file a captured file is, by its name or by its content."""

import re
from collections.abc import Iterator
from pathlib import Path

from spo_trace.formats.aggregate_kind import AggregateKind
from spo_trace.formats.copied_text import is_changed
from spo_trace.formats.page_dump import IS_PAGE_DUMP
from spo_trace.formats.sorted_blocks import FIRST_COUNTS
from spo_trace.formats.text_encoding import plain_head
from spo_trace.sources.compression import SUFFIXES, without_suffix
from spo_trace.sources.source import PATHS

__all__ = ["aggregate_by_content", "name_by_content", "name_by_path", "spellings"]

# Lines of a stack at the beginning of show_stacks_handles.
_FRAMES = rb"(?:[ \t]*(?:[^\s+]+\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[[^]\n]+\])?|0x[0-9a-f]+)\r?\n)+"

_CONTENT = (
    (
        re.compile(rb"^(?:Page allocated via order |Page order \d+, mask 0x[0-9a-f]+, type \[)", re.MULTILINE),
        "page_owner",
    ),
    (re.compile(rb"^Page allocated via pid ", re.MULTILINE), "swap_page_owner"),
    (re.compile(rb"\Aallocinfo - version: "), "allocinfo"),
    (re.compile(rb"\A\s*handle: \d+\r?\nnr_base_pages: "), "show_handles"),
    (re.compile(rb"^(?:nr_base_pages|stack_count): -?\d", re.MULTILINE), "show_stacks"),
    (re.compile(rb"\A[\r\n]*" + _FRAMES + rb"handle: \d+\r?\n\r?\n"), "show_stacks_handles"),
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
    """Return the name of the text that begins with `head`, None if it is unknown.

    It is one of PATHS, or of AggregateKind for text that is no kernel file.
    """
    head = plain_head(head)
    if (aggregate := aggregate_by_content(head)) is not None:
        return aggregate.value
    if (name := next((name for pattern, name in _CONTENT if pattern.search(head)), None)) is not None:
        return name
    if not is_changed(head):
        return None
    return "swap_page_owner" if b"Page allocated via pid " in head else "page_owner"


# The second line of a record: a text with such a line is page_owner text, even if it also has a dump of a page. A comm
# is too short to fake the line.
_SECOND_LINE = re.compile(
    rb"^[^\n]{0,200}?(?:PFN (?:0x[0-9a-f]{1,16}|\d{1,19}) (?:type|Block) |SWP entry 0x[0-9a-f]{5})|^SWP entry 0x",
    re.MULTILINE,
)
_RECORD_WORDS = b"Page allocated via "


def aggregate_by_content(head: bytes) -> AggregateKind | None:
    """Return what a text that begins with `head` is, if it is no kernel file but has owners; else None."""
    head = plain_head(head)
    # In a list of pages, the name of a process can contain such a line, but not before its record begins.
    counts = FIRST_COUNTS.search(head)
    if counts and _RECORD_WORDS not in head[: counts.start()]:
        return AggregateKind.PAGE_OWNER_SORT
    if not _SECOND_LINE.search(head) and IS_PAGE_DUMP.search(head):
        return AggregateKind.PAGE_DUMP
    return None
