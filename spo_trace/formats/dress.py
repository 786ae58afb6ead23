# SPDX-License-Identifier: LGPL-2.1-or-later
"""What copying, mail, logs and shells put around a capture's text: recognised, taken out, and counted.

A capture's head decides whether its text is dressed. Text that is not is passed on as it is. No process can dress a
kernel's own text: a comm has 15 bytes, less than the first words of a record and any of the forms below; the name of a
memory cgroup stands behind words of the kernel.
"""

import codecs
import re
from array import array
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import LONGEST_PIECE, RECORD_START

__all__ = ["HEAD", "Dress", "Encoding", "decoded", "encoding_of", "is_dressed"]

# How much of a text decides whether it is dressed.
HEAD = 1 << 20

# Places further back than this are forgotten: more text than is worked on at once.
_REMEMBERED = 1 << 27

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

_PATTERNS = {
    # Before what is indented: the width of a number changes from line to line.
    Reason.NUMBERED: re.compile(_NUMBER),
    Reason.INDENTED: re.compile(rb"[ \t]+"),
    Reason.QUOTED: re.compile(_QUOTE),
    Reason.PRINTK_LEVELS: re.compile(_LEVEL + rb" ?"),
    Reason.TIMESTAMPS: re.compile(rb"(?:" + _TIME + rb")(?:[ ]" + _LOG + rb")?[ ]?", re.VERBOSE),
    Reason.PROMPT: re.compile(rb"(?:" + _PROMPT + rb") +"),
}

# The header that a vendor's kernel has in place of "Page allocated via order …".
_VENDOR = re.compile(rb"Page (?=order \d+, mask 0x[0-9a-f]+, type \[\w\], zone \w+, pid -?\d+, )")

_VENDOR_START = b"Page order "

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WIDE = "Page allocated via".encode("utf-16-le")

# Quoted-printable in the second line of a record, which no comm is long enough to fake. "zone=1" is no escape.
_QUOTED_PRINTABLE = re.compile(
    rb"^([^\n]{0,80}?)"
    rb"(?:PFN (?:0x[0-9a-f]+|\d+) type \w+ Block [^\n]*(?:=3D[^\n]*|=(?:0A=)?)|SWP entry 0x[0-9a-f]+=0A=?)\r?$",
    re.MULTILINE,
)
_ESCAPE = re.compile(rb"=(0[9AD]|3D|[89A-F][0-9A-F])|=20(?=[\r\n=]*\Z)")
_SOFT_BREAK = re.compile(rb"=[ \t]*\r?\n\Z")


class Line(NamedTuple):
    """Hold a line with its newline, and where it begins in the input."""

    text: bytes
    offset: int
    line: int


class Encoding(NamedTuple):
    """Hold how a text is encoded: a codec's name, and the bytes of its byte-order mark."""

    codec: str
    mark: int

    @property
    def width(self) -> int:
        """Return how many bytes a plain character takes."""
        return 1 if self.codec == "utf-8" else 2


def encoding_of(head: bytes) -> Encoding | None:
    """Return the encoding of a text that begins with `head`, None for plain bytes."""
    for mark, codec in _BOMS:
        if head.startswith(mark):
            return Encoding(codec, len(mark))
    # PowerShell's files have a byte-order mark; what went through another program may have lost it.
    at = head.find(_WIDE)
    return None if at < 0 else Encoding("utf-16-be" if at % 2 else "utf-16-le", 0)


def decoded(chunks: Iterable[bytes], encoding: Encoding) -> Iterator[bytes]:
    """Yield text as UTF-8, without its byte-order mark."""
    decoder = codecs.getincrementaldecoder(encoding.codec)("replace")
    skip = encoding.mark
    for chunk in chunks:
        kept, skip = chunk[skip:], max(0, skip - len(chunk))
        if encoding.codec == "utf-8":
            yield kept
        else:
            yield decoder.decode(kept).encode()


# More than a log has before a line, quoted a few times.
_LONGEST_PREFIX = 200


def _prefix(raw: bytes) -> list[tuple[Reason, bytes]] | None:
    """Return what stands before a record's first words, piece by piece; None if that is anything else."""
    if len(raw) > _LONGEST_PREFIX:
        return None
    found = []
    at = 0
    while at < len(raw):
        for reason, pattern in _PATTERNS.items():
            if match := pattern.match(raw, at):
                found.append((reason, match[0]))
                at = match.end()
                break
        else:
            return None
    return found


def is_dressed(head: bytes) -> bool:
    """Tell whether plain text that begins with `head` has marks before its lines, or is quoted-printable."""
    return _is_quoted_printable(head) or any(_start_of(head, words) for words in (RECORD_START, _VENDOR_START))


def _is_quoted_printable(head: bytes) -> bool:
    if not any(escape in head for escape in (b"=\n", b"=\r\n", b"=3D")):
        return False
    return any(_prefix(match[1]) is not None for match in _QUOTED_PRINTABLE.finditer(head))


def _start_of(head: bytes, words: bytes) -> bool:
    at = head.find(words)
    while at >= 0:
        begin = head.rfind(b"\n", max(0, at - _LONGEST_PREFIX - 1), at) + 1
        if words == _VENDOR_START and _VENDOR.match(head, at) and (begin == at or _prefix(head[begin:at]) is not None):
            return True
        if words == RECORD_START and begin < at and _prefix(head[begin:at]) is not None:
            return True
        at = head.find(words, at + 1)
    return False


class Dress:
    """Take out of a text what is around its lines, and remember where they stand in the input."""

    def __init__(self, marks: Counter[Reason]) -> None:
        """Count in `marks` how many lines have what around them."""
        self.marks = marks
        self._kinds: list[tuple[Reason, re.Pattern[bytes]]] = []
        self._indent = b""
        self._width = 1
        self._starts: deque[tuple[int, array[int], array[int], array[int]]] = deque()
        self._size = 0

    def place(self, offset: int, line: int) -> tuple[int, int]:
        """Return where byte `offset` of the text without its dress stands in the input: byte offset and line."""
        index = bisect_right(self._starts, offset, key=lambda part: part[0]) - 1
        if index < 0:
            return offset, line
        _, clean, offsets, lines = self._starts[index]
        number = max(0, bisect_right(clean, offset) - 1)
        return offsets[number] + (offset - clean[number]) * self._width, lines[number]

    def text(self, chunks: Iterable[bytes], head: bytes) -> Iterator[bytes]:
        """Yield the text of `chunks`, which begins with `head`, as the kernel printed it."""
        encoding = encoding_of(head)
        lines: Iterator[Line]
        if encoding is None:
            lines = _lines(chunks)
        else:
            if encoding.mark:
                self.marks[Reason.BYTE_ORDER_MARK] += 1
            self._width = encoding.width
            lines = self._wide_lines(chunks, encoding)
            head = b"".join(decoded([head], encoding))
        if _is_quoted_printable(head):
            lines = self._unquoted_printable(lines)
        if encoding is None or is_dressed(head):
            lines = map(self._plain, lines)
        yield from self._remembered(lines)

    def _wide_lines(self, chunks: Iterable[bytes], encoding: Encoding) -> Iterator[Line]:
        offset = encoding.mark
        for text, _, line in _lines(decoded(chunks, encoding)):
            yield Line(text, offset, line)
            if encoding.width == 1:
                offset += len(text)
            else:
                self.marks[Reason.UTF_16] += 1
                offset += len(text.decode("utf-8", "replace").encode(encoding.codec))

    def _unquoted_printable(self, lines: Iterable[Line]) -> Iterator[Line]:
        whole: Line | None = None
        for text, offset, line in lines:
            clean = _ESCAPE.sub(_unescaped, text)
            continued = _SOFT_BREAK.search(clean)
            self.marks[Reason.QUOTED_PRINTABLE] += clean != text or continued is not None
            clean = clean[: continued.start()] if continued else clean
            whole = Line(clean, offset, line) if whole is None else whole._replace(text=whole.text + clean)
            if not continued or whole.text.endswith(b"\n") or len(whole.text) > LONGEST_PIECE:
                yield whole
                whole = None
        if whole is not None:
            yield whole

    # A record's first line shows what is before each of its lines; a line without that is of another message.
    def _plain(self, given: Line) -> Line:
        text = given.text
        if b"Page " in text and (start := self._first_line(text)) is not None:
            return Line(start, given.offset + len(text) - len(start), given.line)
        at = 0
        marks = set()
        for reason, pattern in self._kinds:
            if reason == Reason.INDENTED:
                end = at + len(self._indent) if text.startswith(self._indent, at) else at
            else:
                match = pattern.match(text, at)
                end = match.end() if match else at
            if end == at and text[at:].strip():
                break
            if end > at:
                marks.add(reason)
            at = end
        self.marks.update(marks)
        return Line(text[at:], given.offset + at, given.line)

    def _first_line(self, text: bytes) -> bytes | None:
        at = text.find(RECORD_START)
        vendor = at < 0 and (at := text.find(_VENDOR_START)) >= 0 and _VENDOR.match(text, at) is not None
        if at < 0 or not (vendor or text.startswith(RECORD_START, at)):
            return None
        found = _prefix(text[:at])
        if found is None:
            return None
        self.marks.update({reason for reason, _ in found})
        # A prompt is before the first line alone.
        self._kinds = [(reason, _PATTERNS[reason]) for reason, _ in found if reason != Reason.PROMPT]
        self._indent = next((piece for reason, piece in found if reason == Reason.INDENTED), b"")
        if not vendor:
            return text[at:]
        self.marks[Reason.VENDOR_FIRST_LINE] += 1
        return b"Page allocated via " + text[at + len("Page ") :]

    def _remembered(self, lines: Iterable[Line]) -> Iterator[bytes]:
        pieces: list[bytes] = []
        size = 0
        clean, offsets, numbers = array("q"), array("q"), array("q")
        for text, offset, line in lines:
            clean.append(self._size + size)
            offsets.append(offset)
            numbers.append(line)
            pieces.append(text)
            size += len(text)
            if size >= LONGEST_PIECE:
                self._starts.append((clean[0], clean, offsets, numbers))
                self._size += size
                while self._starts[0][0] < self._size - _REMEMBERED:
                    self._starts.popleft()
                yield b"".join(pieces)
                pieces, size = [], 0
                clean, offsets, numbers = array("q"), array("q"), array("q")
        if pieces:
            self._starts.append((clean[0], clean, offsets, numbers))
            yield b"".join(pieces)


def _lines(chunks: Iterable[bytes]) -> Iterator[Line]:
    carry = b""
    offset, number = 0, 1
    for chunk in chunks:
        *whole, carry = (carry + chunk).split(b"\n")
        for text in whole:
            yield Line(text + b"\n", offset, number)
            offset += len(text) + 1
            number += 1
        if len(carry) > LONGEST_PIECE:
            yield Line(carry, offset, number)
            offset += len(carry)
            carry = b""
    if carry:
        yield Line(carry, offset, number)


def _unescaped(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 16)]) if match[1] else b" "
