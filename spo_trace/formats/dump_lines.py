# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lines of a kernel log or a debugger, without the prefixes of printk, syslog, mail and prompts."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from spo_trace.formats.line_prefixes import PATTERNS
from spo_trace.formats.reasons import Reason
from spo_trace.formats.text_lines import split_lines
from spo_trace.limits import MAX_FRAME_BYTES

__all__ = ["DumpLine", "dump_lines"]

_PREFIXES = [PATTERNS[kind] for kind in (Reason.QUOTED, Reason.PRINTK_LEVELS, Reason.TIMESTAMPS)]

# 15ff2069cb7f, 5.1: CONFIG_PRINTK_CALLER, a thread or a processor.
_CALLER = re.compile(rb"\[ *([TC]\d+)\]")

# Longer than the prefixes of any log.
_MOST_PREFIXES = 6


class DumpLine(NamedTuple):
    """Hold a line without prefixes and newline, where it begins in the input, and which thread or processor printed it.

    `caller` is None if the log does not tell.
    """

    text: bytes
    offset: int
    line: int
    caller: bytes | None


def dump_lines(chunks: Iterable[bytes]) -> Iterator[DumpLine]:
    """Yield the lines of a text in chunks cut anywhere."""
    for text, offset, line in split_lines(chunks, MAX_FRAME_BYTES * 4):
        at = _end_of_prefixes(text)
        caller = _CALLER.search(text, 0, at)
        yield DumpLine(text[at:].rstrip(b"\r\n"), offset + at, line, caller[1] if caller else None)


def _end_of_prefixes(text: bytes) -> int:
    at = 0
    for _ in range(_MOST_PREFIXES):
        match = next((match for pattern in _PREFIXES if (match := pattern.match(text, at))), None)
        if match is None or match.end() == at:
            break
        at = match.end()
    return at
