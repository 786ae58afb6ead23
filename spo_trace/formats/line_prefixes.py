# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prefixes that mail, logs, terminals and grep put before the lines of a copied text.

No comm can look like one: a comm has at most 15 bytes, fewer than the first words of a record plus any prefix. The name
of a memory cgroup is never at the start of a line.
"""

import re
from typing import NamedTuple

from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import RECORD_START

__all__ = ["PATTERNS", "FirstLine", "first_line", "has_prefixes", "split_prefix"]

_QUOTE = rb"(?:(?:>|\|) ?)+"
_LEVEL = rb"<\d{1,3}>"
_DATE = rb"(?:\d{4}-\d\d-\d\d[T\ ]|[A-Z][a-z]{2}\ +\d{1,2}\ (?:\d{4}\ )?)"
_TIME = rb"""
    \[[A-Z][a-z]{2}\ [A-Z][a-z]{2}\ +\d{1,2}\ \d\d:\d\d:\d\d\ \d{4}\]          # dmesg -T
  | \[[ ]*\d{1,7}\.\d{3,9}\] (?:[ ]?\[[ ]*[TC]\d+\])?                       # printk, with its caller
  | \[[ ]*[TC]\d+\]
  | \[?%(date)s?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?\]?      # ts, minicom, picocom, syslog
  | \d{10}\.\d{3,9}                                                         # ts %%.s
  | \d\d-\d\d\ \d\d:\d\d:\d\d\.\d{3}\ +\d+\ +\d+\ [VDIWEF]\ [^\n:]{0,40}:        # logcat
""" % {b"date": _DATE}
_LOG = rb"[\w.-]+\ [\w./-]+(?:\[\d+\])?:"
_PROMPT = rb"\(gdb\)|crash>|[\w.@~:/-]*[#$]"

# cat -n and less -N; grep -n, whose lines of context have "-" in place of ":"; grep -H.
_NUMBER = rb"[ ]*\d{1,10}\t|(?:[\w./~-]{1,120}[:-])?\d{1,10}[:-](?!\d)|[\w./~-]{0,120}/[\w.~-]{1,60}:"

PATTERNS = {
    # Before INDENTED, which would match the blanks that pad a number.
    Reason.NUMBERED: re.compile(_NUMBER),
    Reason.INDENTED: re.compile(rb"[ \t]+"),
    Reason.QUOTED: re.compile(_QUOTE),
    Reason.PRINTK_LEVELS: re.compile(_LEVEL + rb" ?"),
    Reason.TIMESTAMPS: re.compile(rb"(?:" + _TIME + rb")(?:[ ]" + _LOG + rb")?[ ]?", re.VERBOSE),
    Reason.PROMPT: re.compile(rb"(?:" + _PROMPT + rb") +"),
}

# The first line of a record of a vendor's kernel, in place of "Page allocated via order …".
_VENDOR = re.compile(rb"Page (?=order \d+, mask 0x[0-9a-f]+, type \[\w\], zone \w+, pid -?\d+, )")

_VENDOR_START = b"Page order "

# Longer than the prefix of any log, quoted a few times.
_LONGEST_PREFIX = 200


def split_prefix(raw: bytes) -> list[tuple[Reason, bytes]] | None:
    """Return the prefixes that `raw` consists of, each with its kind; None if it contains anything else."""
    if len(raw) > _LONGEST_PREFIX:
        return None
    found = []
    at = 0
    while at < len(raw):
        for reason, pattern in PATTERNS.items():
            if match := pattern.match(raw, at):
                found.append((reason, match[0]))
                at = match.end()
                break
        else:
            return None
    return found


class FirstLine(NamedTuple):
    """Hold a record's first line as the mainline kernel prints it, and the prefixes that were before it."""

    text: bytes
    prefixes: list[tuple[Reason, bytes]]
    vendor: bool


def first_line(line: bytes) -> FirstLine | None:
    """Return the first line of a record that `line` contains after prefixes, None if it is another line."""
    at = line.find(RECORD_START)
    vendor = at < 0 and (at := line.find(_VENDOR_START)) >= 0 and _VENDOR.match(line, at) is not None
    if at < 0 or not (vendor or line.startswith(RECORD_START, at)):
        return None
    prefixes = split_prefix(line[:at])
    if prefixes is None:
        return None
    text = RECORD_START + line[at + len(b"Page ") :] if vendor else line[at:]
    return FirstLine(text, prefixes, vendor)


def has_prefixes(head: bytes) -> bool:
    """Check whether text that begins with `head` has records with prefixes, or first lines of a vendor's kernel."""
    return any(_has_start(head, words) for words in (RECORD_START, _VENDOR_START))


def _has_start(head: bytes, words: bytes) -> bool:
    at = head.find(words)
    while at >= 0:
        begin = head.rfind(b"\n", max(0, at - _LONGEST_PREFIX - 1), at) + 1
        plain = begin == at
        if words == _VENDOR_START and _VENDOR.match(head, at) and (plain or split_prefix(head[begin:at]) is not None):
            return True
        if words == RECORD_START and not plain and split_prefix(head[begin:at]) is not None:
            return True
        at = head.find(words, at + 1)
    return False
