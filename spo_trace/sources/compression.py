# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compressed files, recognised by their first bytes and read as streams."""

import io
import tarfile
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from spo_trace.formats.text import Outcome
from spo_trace.limits import SNIFFED_BYTES
from spo_trace.sources.decompressed import STEP, Decompressed, Readable
from spo_trace.sources.decompressors import format_of

__all__ = [
    "READ_ERRORS",
    "SMALL_STEP",
    "SUFFIXES",
    "Head",
    "Readable",
    "Rewound",
    "decompressed",
    "first_bytes",
    "head_of",
    "is_compressed",
    "opened_head",
    "read_chunks",
    "read_head",
    "without_suffix",
]

SUFFIXES = (".gz", ".xz", ".zst", ".lz4", ".bz2")

# Raised for damaged or truncated files and archives; OverflowError comes from numbers in PAX headers of tar.
READ_ERRORS = (OSError, EOFError, ValueError, OverflowError, tarfile.TarError)

# Bytes per read. Small for compressed files and archives, because a read that fails loses all of its bytes; large for
# plain files.
_LARGE_STEP = 1 << 20
_PIPE = 1 << 16
SMALL_STEP = STEP


class Rewound(io.RawIOBase):
    """Read `head`, then the rest of `raw`, from which `head` was read: a pipe cannot be rewound."""

    def __init__(self, head: bytes, raw: Readable) -> None:
        self._head = head
        self._raw = raw
        # On a pipe, read() waits for all bytes and ignores Ctrl-C until then; read1() returns the available bytes.
        self._read_some: Callable[[int], bytes] = getattr(raw, "read1", raw.read)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if not self._head:
            return self._read_some(size) if size > 0 else self._raw.read(size)
        if size < 0:
            head, self._head = self._head, b""
            return head + self._raw.read()
        piece, self._head = self._head[:size], self._head[size:]
        return piece


def read_head(raw: Readable, size: int) -> bytes:
    """Return the first `size` bytes of `raw`, or all if there are fewer."""
    stream = Rewound(b"", raw)
    head = bytearray()
    while len(head) < size and (piece := stream.read(min(size - len(head), _PIPE))):
        head += piece
    return bytes(head)


def without_suffix(name: str) -> str:
    """Return a file name without the suffix of its compression."""
    return next((name.removesuffix(s) for s in SUFFIXES if name.endswith(s)), name)


def decompressed(raw: BinaryIO | Rewound, head: bytes) -> Readable:
    """Return the decompressed content of `raw`, whose first bytes are `head`: gz, xz, zst, lz4, bz2 or plain."""
    known = format_of(head)
    return raw if known is None else Decompressed(raw, known)


def is_compressed(head: bytes) -> bool:
    """Check whether a file that begins with `head` is compressed."""
    return format_of(head) is not None


class Head(NamedTuple):
    """Hold the first decompressed bytes of a file.

    `problem`: why no more bytes could be decompressed, None if the bytes that were read of the file simply end.
    """

    content: bytes
    problem: str | None


def opened_head(head: bytes, size: int = 4096, *, whole: bool = False) -> Head:
    """Return up to `size` decompressed bytes of a file that begins with `head`; `whole`: that is all of the file."""
    known = format_of(head)
    if known is None:
        return Head(head[:size], None)
    stream = Decompressed(io.BytesIO(head), known)
    content = bytearray()
    while len(content) < size and (piece := stream.read(size - len(content))):
        content += piece
    return Head(bytes(content), None if stream.is_cut_off and not whole else stream.problem)


def first_bytes(head: bytes, size: int = 4096) -> bytes:
    """Return up to `size` decompressed bytes of a file that begins with `head`."""
    return opened_head(head, size).content


def head_of(raw: Readable, size: int) -> bytes:
    """Return up to `size` decompressed bytes of an open file; of a plain file, no more than these are read."""
    head = read_head(raw, size)
    if is_compressed(head):
        head += read_head(raw, SNIFFED_BYTES - len(head))
    return first_bytes(head, size)


def read_chunks(outcome: Outcome, raw: BinaryIO | Rewound, head: bytes, *, step: int | None = None) -> Iterator[bytes]:
    """Yield the decompressed content of `raw`; if reading fails, set `outcome.problem`."""
    stream = decompressed(raw, head)
    plain = stream is raw
    try:
        while chunk := stream.read(step or (_LARGE_STEP if plain else SMALL_STEP)):
            yield chunk
    except READ_ERRORS as error:
        outcome.problem = f"reading the input failed: {error}"
    if isinstance(stream, Decompressed) and stream.problem:
        outcome.problem = f"reading the input failed: {stream.problem}"
