# SPDX-License-Identifier: LGPL-2.1-or-later
"""Text in blocks of many whole records, for the compiled scanner."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from spo_trace.formats.bytescan import PADDING
from spo_trace.formats.record import LONGEST_PIECE, SEPARATOR

__all__ = ["BLOCK_BYTES", "Block", "record_blocks"]

# Some 3,000 records: little enough that the memory of one block serves the next, and never goes back to the kernel.
BLOCK_BYTES = 1 << 21


class Block(NamedTuple):
    """Hold `size` bytes of text that begin and end between records, and PADDING bytes; `offset` is the first's."""

    padded: bytes
    size: int
    offset: int


def record_blocks(chunks: Iterable[bytes], block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """Yield the text of `chunks` in blocks of about `block_bytes`, cut where a record starts."""
    padding = bytes(PADDING)
    offset = 0
    for pieces, size in _cut(chunks, block_bytes):
        # The one copy that is made of all the text.
        yield Block(b"".join([*pieces, padding]), size, offset)
        offset += size


def _cut(chunks: Iterable[bytes], block_bytes: int) -> Iterator[tuple[list[bytes], int]]:
    pieces: list[bytes] = []
    size = 0
    for chunk in chunks:
        pieces.append(chunk)
        size += len(chunk)
        if size < block_bytes:
            continue
        start = chunk.rfind(SEPARATOR) + 1
        if not start:
            # It may begin in an earlier piece. Text without a record start for long is no page_owner text, and is cut
            # where frame_records() cuts it.
            chunk = b"".join(pieces)
            pieces = [chunk]
            start = chunk.rfind(SEPARATOR) + 1 or (size - len(SEPARATOR)) // LONGEST_PIECE * LONGEST_PIECE
        rest = chunk[start:]
        if size > len(rest):
            yield [*pieces[:-1], chunk[:start]], size - len(rest)
        pieces, size = [rest], len(rest)
    if size:
        yield pieces, size
