# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tell by its content which kernel file a text is, or what else it is and what to give in its place."""

import re
from typing import NamedTuple

from spo_trace.formats.dress import decoded, encoding_of, is_dressed

__all__ = ["Known", "name_by_content", "what_is"]


class Known(NamedTuple):
    """Describe input that is no capture: what it is, and what to give or do instead."""

    what: str
    hint: str


class _Rule(NamedTuple):
    pattern: re.Pattern[bytes]
    known: Known


def _rule(pattern: bytes, what: str, hint: str) -> _Rule:
    return _Rule(re.compile(pattern, re.MULTILINE), Known(what, hint))


_UNSORTED = "give the text that it was made from: cat /sys/kernel/debug/page_owner > page_owner.txt"
_ALL_PAGES = "give the text of /sys/kernel/debug/page_owner, which has all pages: a dump has one"
_OF_THAT_MACHINE = "give the text of /sys/kernel/debug/page_owner of that machine"
_WITH_PAGE_OWNER = "give page_owner with it: the directory that has both, or both files"

# The first bytes of a file. None can begin text of the kernel.
_MAGIC = (
    _rule(rb"\APAR1", "a Parquet file", "give the snapshot directory (NAME.spo) that it is in, or the capture"),
    _rule(
        rb"(?i)\A(?:\xef\xbb\xbf)?\s*(?:<!--|<!doctype html|<html|<head)",
        "an HTML page",
        "give the text that it shows, saved as plain text, or the snapshot that a report was made from",
    ),
    _rule(rb"\A(?:KDUMP   |DISKDUMP|makedumpfile)", "a kdump crash dump", _OF_THAT_MACHINE),
    _rule(rb"\A\x7fELF", "an ELF file, such as a vmcore", _OF_THAT_MACHINE),
    _rule(rb"\APK\x03\x04", "a zip archive", "unpack it, and give the directory or a tar archive"),
    _rule(rb"\A7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it, and give the directory or a tar archive"),
    _rule(rb"\ASQLite format 3\0", "an SQLite database", "give the text of /sys/kernel/debug/page_owner"),
    _rule(rb"\A%PDF-", "a PDF file", "give the text of /sys/kernel/debug/page_owner"),
    _rule(rb'\A\s*\{[^{}]*"schema_version"', "the snapshot.json of a snapshot", "give the directory that it is in"),
    _rule(rb"\Aallocinfo - version", "/proc/allocinfo", "give page_owner with it: the directory that has both"),
)

_FRAMES = rb"(?:[ \t]*(?:[^\s+]+\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[[^]\n]+\])?|0x[0-9a-f]+)\r?\n)+"
_FIELD = rb"(?:allocated by [A-Z| ]+|PID -?\d+|TGID -?\d+|task_comm_name: .{0,15})"

_TEXTS = (
    _rule(
        rb"^[> \t]*\d+ times(?:, \d+ pages)?(?:,? " + _FIELD + rb")*[ ,:]*\r?$",
        "the output of page_owner_sort (it counts records and leaves out their PFNs)",
        _UNSORTED,
    ),
    _rule(
        rb"^[> \t]*times:? \d+,? order:? \d+",
        "a list of page_owner records that were counted by a script",
        _UNSORTED,
    ),
    _rule(
        rb"^\(gdb\) lx-|\bPage last allocated via order \d+, gfp_mask:",
        "what gdb's lx-dump-page-owner prints",
        _ALL_PAGES,
    ),
    _rule(
        rb"page_owner tracks the page as|page last allocated via order \d+",
        "the kernel log's dump of a single page (dump_page)",
        _ALL_PAGES,
    ),
    _rule(
        rb"^(?:nr_base_pages|stack_count): -?\d+|curr_nr_base_pages: \d+",
        "show_stacks of page_owner_stacks (it counts pages by stack and names no process)",
        _WITH_PAGE_OWNER,
    ),
    _rule(
        rb"\A[\r\n]*" + _FRAMES + rb"handle: \d+",
        "show_stacks_handles of page_owner_stacks (it has the stack of each handle, and no page)",
        _WITH_PAGE_OWNER,
    ),
)

# A record's second line, which makes a text page_owner text whatever else is in it. No comm is long enough for it.
_RECORD = re.compile(
    rb"^[^\n]{0,200}?(?:PFN (?:0x[0-9a-f]{1,16}|\d{1,19}) (?:type|Block) |SWP entry 0x[0-9a-f]{5})|^SWP entry 0x",
    re.MULTILINE,
)

_CONTENT = (
    (
        re.compile(rb"^(?:Page allocated via order |Page order \d+, mask 0x[0-9a-f]+, type \[)", re.MULTILINE),
        "page_owner",
    ),
    (re.compile(rb"^Page allocated via pid ", re.MULTILINE), "swap_page_owner"),
    (re.compile(rb"\A\s*handle: \d+\r?\nnr_base_pages: "), "show_handles"),
    (re.compile(rb"^(?:nr_base_pages|stack_count): ", re.MULTILINE), "show_stacks"),
    (re.compile(rb"\A[\r\n]*" + _FRAMES + rb"handle: \d+\r?\n\r?\n"), "show_stacks_handles"),
)


def what_is(head: bytes) -> Known | None:
    """Return what a text that begins with `head` is, None if it may be a kernel file's text."""
    for rule in _MAGIC:
        if rule.pattern.match(head):
            return rule.known
    head = _plain(head)
    if _RECORD.search(head):
        return None
    return next((rule.known for rule in _TEXTS if rule.pattern.search(head)), None)


def name_by_content(head: bytes) -> str | None:
    """Return the name in PATHS of the kernel file that begins with `head`, as far as the text tells."""
    head = _plain(head)
    if (name := next((name for pattern, name in _CONTENT if pattern.search(head)), None)) is not None:
        return name
    if not is_dressed(head):
        return None
    return "swap_page_owner" if b"Page allocated via pid " in head else "page_owner"


def _plain(head: bytes) -> bytes:
    encoding = encoding_of(head)
    return head if encoding is None else b"".join(decoded([head], encoding))
