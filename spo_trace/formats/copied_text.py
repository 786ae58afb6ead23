# SPDX-License-Identifier: LGPL-2.1-or-later
"""Restore what the kernel printed from text that was copied through mail, a log, a terminal or an editor.

Only the head of a text is searched for changes; if it has none, the whole text is passed on as it is. Nothing that a
process can choose makes a kernel's own text look changed (see line_prefixes).
"""

import re
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Iterator

from spo_trace.formats.line_prefixes import PATTERNS, first_line, has_prefixes
from spo_trace.formats.quoted_printable import is_quoted_printable, without_quoted_printable
from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import LONGEST_PIECE
from spo_trace.formats.text_encoding import Encoding, decoded, encoding_of
from spo_trace.formats.text_lines import Line, LineStarts, split_lines

__all__ = ["HEAD", "CopiedText", "is_changed"]

# Number of bytes at the beginning of a text that are searched for changes.
HEAD = 1 << 20

# Line starts are kept for this many bytes: more text than is parsed at once.
_MAX_LOOK_BACK = 1 << 27


def is_changed(head: bytes) -> bool:
    """Check whether text that begins with `head` is quoted-printable, or has prefixes or a vendor's first lines."""
    return is_quoted_printable(head) or has_prefixes(head)


class CopiedText:
    """Undo the changes that copying made to a text, and keep where its lines begin in the input."""

    def __init__(self, marks: Counter[Reason]) -> None:
        """Count the restored lines in `marks`, by kind of change."""
        self.marks = marks
        self._kinds: list[tuple[Reason, re.Pattern[bytes]]] = []
        self._indent = b""
        self._width = 1
        self._starts: deque[LineStarts] = deque()
        self._size = 0

    def place(self, offset: int, line: int) -> tuple[int, int]:
        """Return the offset and the line in the input of byte `offset` of the cleaned text."""
        index = bisect_right(self._starts, offset, key=lambda part: part.first) - 1
        return (offset, line) if index < 0 else self._starts[index].place(offset, self._width)

    def clean(self, chunks: Iterable[bytes], head: bytes) -> Iterator[bytes]:
        """Yield the text of `chunks`, which begins with `head`, as the kernel printed it."""
        encoding = encoding_of(head)
        lines: Iterator[Line]
        if encoding is None:
            lines = split_lines(chunks, LONGEST_PIECE)
        else:
            if encoding.mark:
                self.marks[Reason.BYTE_ORDER_MARK] += 1
            self._width = encoding.width
            lines = self._decoded_lines(chunks, encoding)
            head = b"".join(decoded([head], encoding))
        if is_quoted_printable(head):
            lines = without_quoted_printable(lines, self.marks)
        if encoding is None or is_changed(head):
            lines = map(self._without_prefixes, lines)
        yield from self._remembered(lines)

    def _decoded_lines(self, chunks: Iterable[bytes], encoding: Encoding) -> Iterator[Line]:
        offset = encoding.mark
        for text, _, line in split_lines(decoded(chunks, encoding), LONGEST_PIECE):
            yield Line(text, offset, line)
            if encoding.width == 1:
                offset += len(text)
            else:
                self.marks[Reason.UTF_16] += 1
                offset += len(text.decode("utf-8", "replace").encode(encoding.codec))

    # A record's first line has the prefixes of all its lines; a line without them belongs to another message.
    def _without_prefixes(self, given: Line) -> Line:
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
        found = first_line(text)
        if found is None:
            return None
        self.marks.update({reason for reason, _ in found.prefixes})
        # Only the first line has a prompt.
        self._kinds = [(reason, PATTERNS[reason]) for reason, _ in found.prefixes if reason != Reason.PROMPT]
        self._indent = next((piece for reason, piece in found.prefixes if reason == Reason.INDENTED), b"")
        if found.vendor:
            self.marks[Reason.VENDOR_FIRST_LINE] += 1
        return found.text

    def _remembered(self, lines: Iterable[Line]) -> Iterator[bytes]:
        pieces: list[bytes] = []
        size = 0
        starts = LineStarts()
        for text, offset, line in lines:
            starts.add(self._size + size, offset, line)
            pieces.append(text)
            size += len(text)
            if size >= LONGEST_PIECE:
                self._starts.append(starts)
                self._size += size
                while self._starts[0].first < self._size - _MAX_LOOK_BACK:
                    self._starts.popleft()
                yield b"".join(pieces)
                pieces, size, starts = [], 0, LineStarts()
        if pieces:
            self._starts.append(starts)
            yield b"".join(pieces)
