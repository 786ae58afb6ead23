# SPDX-License-Identifier: LGPL-2.1-or-later
"""Records: where each begins and ends, and what is kept of those that can't be parsed."""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from spo_trace.formats.reasons import Reason
from spo_trace.formats.text_lines import LineStarts

__all__ = [
    "LONGEST_PIECE",
    "RECORD_START",
    "SEPARATOR",
    "Malformed",
    "Record",
    "Reject",
    "RejectSink",
    "bounded_pieces",
    "located",
    "split_at_empty_lines",
    "split_records",
]

# A comm (15 bytes) is too short to fake this at the start of a line, and a memcg name cannot hold a newline.
RECORD_START = b"Page allocated via "
SEPARATOR = b"\n" + RECORD_START

# c8f61cfc871f, 5.0: a record has PAGE_SIZE bytes at most.
# Much longer than any record (788 bytes seen on 7.2). Longer text without a record start is not page_owner text; it is
# passed on in pieces so that memory stays bounded.
LONGEST_PIECE = 1 << 20

_EMPTY_LINE = re.compile(rb"\n\r?\n")


class Record(NamedTuple):
    """Hold one record's bytes and where it begins: byte offset from 0, line from 1.

    `delimited`: read(2) on the kernel's file returned it. `last`: no text follows it. `starts`: where its lines begin
    in the input, counted from the beginning of the record, if bytes were removed from them.
    """

    text: bytes
    offset: int
    line: int
    delimited: bool = False
    last: bool = False
    starts: LineStarts | None = None

    def place(self, at: int) -> tuple[int, int]:
        """Return the offset and the line in the input of byte `at` of `text`."""
        if not at and self.starts is None:
            return self.offset, self.line
        return next(self.places([at]))

    def places(self, positions: Iterable[int]) -> Iterator[tuple[int, int]]:
        """Yield the places of ascending positions; count each newline once, as a hostile record can have very many."""
        counted = lines = 0
        for at in positions:
            if self.starts is not None:
                offset, line = self.starts.place(at)
                yield self.offset + offset, self.line + line
                continue
            lines += self.text.count(b"\n", counted, at)
            counted = at
            yield self.offset + at, self.line + lines


class Malformed(Exception):
    """Signal that a record can't be parsed: why, and at which byte of it."""

    def __init__(self, code: Reason, at: int = 0) -> None:
        super().__init__(code.text)
        self.code = code
        self.at = at


class Reject(NamedTuple):
    """Hold rejected text. `lost`: its record is not in the tables; otherwise only these lines are missing.

    `number`: of lines, if the code is for lines. If the code is one of MARKS, nothing was rejected: it counts `number`
    lines or records from this place on.
    """

    file: str
    offset: int
    line: int
    code: Reason
    text: bytes
    lost: bool
    number: int = 1

    @property
    def reason(self) -> str:
        """Return the reason as a sentence for users."""
        return self.code.text

    @classmethod
    def whole(cls, file: str, record: Record, code: Reason, at: int = 0) -> "Reject":
        """Reject a whole record because of its byte `at`."""
        return cls(file, *record.place(at), code, record.text, lost=True)

    @classmethod
    def mark(cls, file: str, record: Record, code: Reason, number: int = 1) -> "Reject":
        """Count `number` marks of a record."""
        return cls(file, record.offset, record.line, code, b"", lost=False, number=number)


RejectSink = Callable[[Reject], None]


def split_records(chunks: Iterable[bytes]) -> Iterator[Record]:
    """Yield the records of page_owner or swap_page_owner text in chunks cut anywhere, each with its empty line.

    Text before the first record comes as a record too, for the parser to reject.
    """
    return _last_marked(located(_split_at_starts(chunks)))


def _last_marked(records: Iterable[Record]) -> Iterator[Record]:
    previous = None
    for record in records:
        if previous is not None:
            yield previous
        previous = record
    if previous is not None:
        yield previous._replace(last=True)


def _split_at_starts(chunks: Iterable[bytes]) -> Iterator[bytes]:
    carry = b""
    for chunk in chunks:
        *whole, carry = (carry + chunk).split(SEPARATOR)
        if whole:
            # The separator's newline ends one record, its words begin the next.
            yield from bounded_pieces(whole[0] + b"\n")
            for piece in whole[1:]:
                yield from bounded_pieces(RECORD_START + piece + b"\n")
            carry = RECORD_START + carry
        if len(carry) > LONGEST_PIECE + len(SEPARATOR):
            # The last bytes are kept: a separator may begin in them.
            end = (len(carry) - len(SEPARATOR)) // LONGEST_PIECE * LONGEST_PIECE
            yield from bounded_pieces(carry[:end])
            carry = carry[end:]
    yield from bounded_pieces(carry)


def bounded_pieces(piece: bytes) -> Iterable[bytes]:
    """Cut a piece of text into parts of at most LONGEST_PIECE bytes, the same ones however the text was read."""
    if 0 < len(piece) <= LONGEST_PIECE:
        return (piece,)
    return (piece[at : at + LONGEST_PIECE] for at in range(0, len(piece), LONGEST_PIECE))


def split_at_empty_lines(chunks: Iterable[bytes]) -> Iterator[Record]:
    """Yield the records of page_owner_stacks text in chunks cut anywhere, each with its empty line."""
    return located(_split_after_empty_lines(chunks))


def _split_after_empty_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    carry = b""
    for chunk in chunks:
        carry += chunk
        starts = [0, *(match.end() for match in _EMPTY_LINE.finditer(carry))]
        for start, end in pairwise(starts):
            yield from bounded_pieces(carry[start:end])
        carry = carry[starts[-1] :]
        if len(carry) > LONGEST_PIECE:
            yield from bounded_pieces(carry)
            carry = b""
    if carry:
        yield from bounded_pieces(carry)


def located(pieces: Iterable[bytes], offset: int = 0, line: int = 1, *, delimited: bool = False) -> Iterator[Record]:
    """Yield each piece as a record with its place; the first begins at byte `offset` and `line`."""
    for piece in pieces:
        yield Record(piece, offset, line, delimited)
        offset += len(piece)
        line += piece.count(b"\n")
