# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compressed files, recognised by their first bytes and read as streams."""

import io
import lzma
import tarfile
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

from spo_trace.formats.text import Outcome

__all__ = [
    "READ_ERRORS",
    "SMALL_STEP",
    "SUFFIXES",
    "Readable",
    "Rewound",
    "decompressed",
    "first_bytes",
    "is_compressed",
    "read_chunks",
    "read_head",
    "without_suffix",
]

SUFFIXES = (".gz", ".xz", ".zst", ".lz4", ".bz2")

_XZ = b"\xfd7zXZ\x00"
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4", b"BZh": "bz2"}

# Raised for damaged or truncated files of all formats; OverflowError comes from numbers in PAX headers of tar.
READ_ERRORS = (OSError, EOFError, ValueError, OverflowError, lzma.LZMAError, tarfile.TarError)

# Bytes per read. Small for compressed files and archives, because a read that fails loses all of its bytes; large for
# plain files.
_LARGE_STEP = 1 << 20
_PIPE = 1 << 16
SMALL_STEP = 1 << 14


class Readable(Protocol):
    """Anything with the read() of a binary file."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes, none at the end."""
        ...


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
    if head.startswith(_XZ):
        return lzma.LZMAFile(raw)  # type: ignore[arg-type]  # any object with read() will do
    for magic, codec in _MAGIC.items():
        if head.startswith(magic):
            import pyarrow as pa

            return pa.CompressedInputStream(pa.PythonFile(raw, "r"), codec)  # type: ignore[no-any-return]
    return raw


def is_compressed(head: bytes) -> bool:
    """Check whether a file that begins with `head` is compressed."""
    return head.startswith((_XZ, *_MAGIC))


def first_bytes(head: bytes, size: int = 4096) -> bytes:
    """Return up to `size` decompressed bytes of a file that begins with `head`."""
    if not is_compressed(head):
        return head[:size]
    stream = decompressed(io.BytesIO(head), head)
    content = bytearray()
    # A read that fails loses all of its bytes: if one fails, start again and read one byte at a time.
    try:
        while len(content) < size and (piece := stream.read(min(size - len(content), SMALL_STEP))):
            content += piece
        return bytes(content)
    except READ_ERRORS:
        stream = decompressed(io.BytesIO(head), head)
        content.clear()
    try:
        while len(content) < size and (byte := stream.read(1)):
            content += byte
    except READ_ERRORS:
        return bytes(content)
    return bytes(content)


def read_chunks(outcome: Outcome, raw: BinaryIO | Rewound, head: bytes, *, step: int | None = None) -> Iterator[bytes]:
    """Yield the decompressed content of `raw`; if reading fails, set `outcome.problem`."""
    step = step or (SMALL_STEP if is_compressed(head) else _LARGE_STEP)
    try:
        stream = decompressed(raw, head)
        while chunk := stream.read(step):
            yield chunk
    except READ_ERRORS as error:
        outcome.problem = f"reading the input failed: {error}"
