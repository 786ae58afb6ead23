# SPDX-License-Identifier: LGPL-2.1-or-later
"""Quoted-printable, as mail encodes a copied text."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from spo_trace.formats.line_prefixes import split_prefix
from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import LONGEST_PIECE
from spo_trace.formats.text_lines import Line

__all__ = ["is_quoted_printable", "without_quoted_printable"]

# The second line of a record in quoted-printable; a comm is too short to fake it. The "=" of "zone=1" is no escape.
_QUOTED_PRINTABLE = re.compile(
    rb"^([^\n]{0,80}?)"
    rb"(?:PFN (?:0x[0-9a-f]+|\d+) type \w+ Block [^\n]*(?:=3D[^\n]*|=(?:0A=)?)|SWP entry 0x[0-9a-f]+=0A=?)\r?$",
    re.MULTILINE,
)
_ESCAPE = re.compile(rb"=(0[9AD]|3D|[89A-F][0-9A-F])|=20(?=[\r\n=]*\Z)")
_SOFT_BREAK = re.compile(rb"=[ \t]*\r?\n\Z")


def is_quoted_printable(head: bytes) -> bool:
    """Check whether text that begins with `head` is quoted-printable."""
    if not any(escape in head for escape in (b"=\n", b"=\r\n", b"=3D")):
        return False
    return any(split_prefix(match[1]) is not None for match in _QUOTED_PRINTABLE.finditer(head))


def without_quoted_printable(lines: Iterable[Line], marks: Counter[Reason]) -> Iterator[Line]:
    """Yield `lines` decoded, those that were broken joined again; count the lines that this changes in `marks`."""
    whole: Line | None = None
    for text, offset, line in lines:
        clean = _ESCAPE.sub(_unescaped, text)
        continued = _SOFT_BREAK.search(clean)
        marks[Reason.QUOTED_PRINTABLE] += clean != text or continued is not None
        clean = clean[: continued.start()] if continued else clean
        whole = Line(clean, offset, line) if whole is None else whole._replace(text=whole.text + clean)
        if not continued or whole.text.endswith(b"\n") or len(whole.text) > LONGEST_PIECE:
            yield whole
            whole = None
    if whole is not None:
        yield whole


def _unescaped(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 16)]) if match[1] else b" "
