# SPDX-License-Identifier: LGPL-2.1-or-later
"""Records: where one ends and the next begins, and what is kept of those that can't be parsed."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["KernelText", "Malformed", "Record", "Reject", "RejectSink", "frame_blocks", "frame_records"]

# A comm (15 bytes) is too short to fake this at the start of a line, and a memcg name cannot hold a newline.
_START = b"Page allocated via "
_SEPARATOR = b"\n" + _START

# Far above what a kernel prints (PAGE_SIZE since Linux 5.0, 788 bytes seen on 7.2): what has no record start for so
# long is no page_owner text, and is passed on in pieces so that memory stays bounded.
_LONGEST = 1 << 20


@dataclass(slots=True)
class KernelText:
    """One kernel file's text as a source gives it.

    `framed`: each chunk is exactly one record, as read(2) on the kernel's file returned it; else chunks are any
    pieces of the text. `problem` is set by the source when the text ended early, and says why; `skipped` counts
    records that the kernel could not hand over, by reason. `size` is the text's length in bytes as stored, and
    `position` how far the source has read in it, both for progress alone.
    """

    name: str
    chunks: Iterable[bytes]
    framed: bool = False
    size: int | None = None
    position: Callable[[], int] | None = None
    problem: str | None = None
    skipped: dict[str, int] | None = None


class Record(NamedTuple):
    """Hold one record's bytes and where they stand: byte offset from 0, line from 1."""

    text: bytes
    offset: int
    line: int


class Malformed(Exception):
    """Say why a record can't be parsed, and how many bytes into it."""

    def __init__(self, reason: str, at: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.at = at


class Reject(NamedTuple):
    """Hold text that was set aside. `lost`: its record is not in the tables; else only these lines are not."""

    file: str
    offset: int
    line: int
    reason: str
    text: bytes
    lost: bool

    @classmethod
    def whole(cls, file: str, record: Record, reason: str, at: int = 0) -> "Reject":
        """Reject `record` as a whole for what stands at byte `at` of it."""
        line = record.line + record.text.count(b"\n", 0, at)
        return cls(file, record.offset + at, line, reason, record.text, lost=True)

    @classmethod
    def part(cls, file: str, record: Record, reason: str, start: int, end: int) -> "Reject":
        """Set aside bytes `start` to `end` of `record`, whose rest is kept."""
        line = record.line + record.text.count(b"\n", 0, start)
        return cls(file, record.offset + start, line, reason, record.text[start:end], lost=False)


RejectSink = Callable[[Reject], None]


def frame_records(text: KernelText) -> Iterator[Record]:
    """Yield the records of page_owner or swap_page_owner text, each with the empty line that ends it.

    Text that begins no record (before the first one) comes as a record too, for the parser to reject.
    """
    pieces = text.chunks if text.framed else _split_at_starts(text.chunks)
    return _locate(pieces)


def _split_at_starts(chunks: Iterable[bytes]) -> Iterator[bytes]:
    carry = b""
    for chunk in chunks:
        *whole, carry = (carry + chunk).split(_SEPARATOR)
        if whole:
            # The separator's newline ends the record before it; its words begin the one after it.
            yield whole[0] + b"\n"
            for piece in whole[1:]:
                yield _START + piece + b"\n"
            carry = _START + carry
        while len(carry) > _LONGEST:
            # The last bytes stay: a separator may begin in them.
            yield carry[: -len(_SEPARATOR)]
            carry = carry[-len(_SEPARATOR) :]
    if carry:
        yield carry


def frame_blocks(text: KernelText) -> Iterator[Record]:
    """Yield the blocks of page_owner_stacks text, each with the empty line that ends it.

    The text is read whole: it holds each distinct stack once, a few MB.
    """
    whole = b"".join(text.chunks).replace(b"\r\n", b"\n")
    *blocks, rest = whole.split(b"\n\n")
    return _locate([block + b"\n\n" for block in blocks] + ([rest] if rest else []))


def _locate(pieces: Iterable[bytes]) -> Iterator[Record]:
    offset, line = 0, 1
    for piece in pieces:
        yield Record(piece, offset, line)
        offset += len(piece)
        line += piece.count(b"\n")
