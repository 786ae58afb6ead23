# SPDX-License-Identifier: LGPL-2.1-or-later
"""Records: where one ends and the next begins, and what is kept of those that can't be parsed."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Self

from spo_trace.formats.reasons import Reason

if TYPE_CHECKING:
    from spo_trace.formats.dress import Dress
    from spo_trace.formats.fast.blocks import Block

__all__ = [
    "LONGEST_PIECE",
    "RECORD_START",
    "SEPARATOR",
    "KernelText",
    "Malformed",
    "Record",
    "Records",
    "Reject",
    "RejectSink",
    "bounded_pieces",
    "frame_blocks",
    "frame_records",
    "gathered",
    "located",
]

# A comm (15 bytes) is too short to fake this at the start of a line, and a memcg name cannot hold a newline.
RECORD_START = b"Page allocated via "
SEPARATOR = b"\n" + RECORD_START

# Far above what a kernel prints (PAGE_SIZE since Linux 5.0, 788 bytes seen on 7.2): what has no record start for so
# long is no page_owner text, and is passed on in pieces so that memory stays bounded.
LONGEST_PIECE = 1 << 20


class Records(NamedTuple):
    """Hold many records, one after the other in `text`; the n-th ends at byte `ends[n]` (int64)."""

    text: bytes
    ends: "array[int]"

    @classmethod
    def of(cls, records: Sequence[bytes]) -> Self:
        """Put single records together."""
        return cls(b"".join(records), array("q", accumulate(map(len, records))))

    def last(self) -> bytes:
        """Return the last record."""
        return self.text[self.ends[-2] if len(self.ends) > 1 else 0 :]

    def split(self) -> Iterator[bytes]:
        """Yield the records one by one."""
        return (self.text[start:end] for start, end in pairwise(chain((0,), self.ends)))


@dataclass(slots=True)
class KernelText:
    """One kernel file's text as a source gives it: `records` where the source knows where each ends, else `chunks`.

    `chunks`: any pieces of the text. `records`: the same in blocks of whole records, framed as read(2) on the
    kernel's file returned them. For who reads parts of the text at once: `file`, the plain file that the chunks come
    from, or `blocks` in place of the records; `opened` is then to be closed after the last one. `problem` is set by the
    source when the text ended early, and says why; `skipped` counts records that the kernel could not hand over, by
    reason. `size` is the text's length in bytes as stored (live: the last PFN), and `position` how far the source has
    come, both for progress alone. `dress`: what copying left in a capture's text, taken out of `chunks`. `note`: what
    the user should know of where the text comes from. `pageblock_order`: base-2 logarithm of a pageblock's pages, where
    a capture's PFN lines tell.
    """

    name: str
    chunks: Iterable[bytes] = ()
    records: Iterable[Records] | None = None
    file: BinaryIO | None = None
    blocks: "Iterable[Block] | None" = None
    opened: AbstractContextManager[object] | None = None
    size: int | None = None
    position: Callable[[], int] | None = None
    problem: str | None = None
    skipped: dict[str, int] | None = None
    dress: "Dress | None" = None
    note: str | None = None
    pageblock_order: int | None = None


class Record(NamedTuple):
    """Hold one record's bytes and where they stand: byte offset from 0, line from 1.

    `framed`: read(2) on the kernel's file returned it; `last`: no text follows it. `starts`: where each of its lines
    begins in the input, in bytes from `offset`, if bytes were taken out of them.
    """

    text: bytes
    offset: int
    line: int
    framed: bool = False
    last: bool = False
    starts: tuple[int, ...] | None = None

    def place(self, at: int) -> tuple[int, int]:
        """Return where byte `at` of `text` stands: byte offset and line."""
        lines = self.text.count(b"\n", 0, at)
        if self.starts is not None and lines < len(self.starts):
            at += self.starts[lines] - (self.text.rfind(b"\n", 0, at) + 1)
        return self.offset + at, self.line + lines


class Malformed(Exception):
    """Say why a record can't be parsed, and how many bytes into it."""

    def __init__(self, code: Reason, at: int = 0) -> None:
        super().__init__(code.text)
        self.code = code
        self.at = at


class Reject(NamedTuple):
    """Hold text that was set aside. `lost`: its record is not in the tables; else only these lines are not.

    A reject whose code is one of MARKS sets nothing aside: `number` lines or records from this place on were read
    although they are marked so.
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
        """Return why in words."""
        return self.code.text

    @classmethod
    def whole(cls, file: str, record: Record, code: Reason, at: int = 0) -> "Reject":
        """Reject `record` as a whole for what stands at byte `at` of it."""
        return cls(file, *record.place(at), code, record.text, lost=True)

    @classmethod
    def mark(cls, file: str, record: Record, code: Reason, number: int = 1) -> "Reject":
        """Count that `record` is marked so."""
        return cls(file, record.offset, record.line, code, b"", lost=False, number=number)


RejectSink = Callable[[Reject], None]


def gathered(records: Iterable[bytes], size: int = 1 << 21) -> Iterator[Records]:
    """Yield single records in blocks of about `size` bytes."""
    kept: list[bytes] = []
    bytes_kept = 0
    for record in records:
        kept.append(record)
        bytes_kept += len(record)
        if bytes_kept >= size:
            yield Records.of(kept)
            kept, bytes_kept = [], 0
    if kept:
        yield Records.of(kept)


def frame_records(text: KernelText) -> Iterator[Record]:
    """Yield the records of page_owner or swap_page_owner text, each with the empty line that ends it.

    Text that begins no record (before the first one) comes as a record too, for the parser to reject.
    """
    if text.records is not None:
        return located(chain.from_iterable(block.split() for block in text.records), framed=True)
    return _last_marked(located(_split_at_starts(text.chunks)))


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
            # The separator's newline ends the record before it; its words begin the one after it.
            yield from bounded_pieces(whole[0] + b"\n")
            for piece in whole[1:]:
                yield from bounded_pieces(RECORD_START + piece + b"\n")
            carry = RECORD_START + carry
        if len(carry) > LONGEST_PIECE + len(SEPARATOR):
            # The last bytes stay: a separator may begin in them.
            end = (len(carry) - len(SEPARATOR)) // LONGEST_PIECE * LONGEST_PIECE
            yield from bounded_pieces(carry[:end])
            carry = carry[end:]
    yield from bounded_pieces(carry)


def bounded_pieces(piece: bytes) -> Iterable[bytes]:
    """Return a piece of text in parts of at most LONGEST_PIECE bytes, cut where it makes no odds how it was read."""
    if 0 < len(piece) <= LONGEST_PIECE:
        return (piece,)
    return (piece[at : at + LONGEST_PIECE] for at in range(0, len(piece), LONGEST_PIECE))


def frame_blocks(text: KernelText) -> Iterator[Record]:
    """Yield the blocks of page_owner_stacks text, each with the empty line that ends it.

    The text is read whole: it holds each distinct stack once, a few MB.
    """
    whole = b"".join(text.chunks).replace(b"\r\n", b"\n")
    *blocks, rest = whole.split(b"\n\n")
    return located([block + b"\n\n" for block in blocks] + ([rest] if rest else []))


def located(pieces: Iterable[bytes], offset: int = 0, line: int = 1, *, framed: bool = False) -> Iterator[Record]:
    """Yield each piece with where it stands; the first at byte `offset` and `line`."""
    for piece in pieces:
        yield Record(piece, offset, line, framed)
        offset += len(piece)
        line += piece.count(b"\n")
