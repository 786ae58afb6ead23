# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compressed files, told by their first bytes and read as a stream."""

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

# What a file that is damaged or breaks off raises, in whatever it is packed; tarfile believes numbers of PAX headers.
READ_ERRORS = (OSError, EOFError, ValueError, OverflowError, lzma.LZMAError, tarfile.TarError)

# A plain file is read in large steps; one that is compressed or in an archive in small ones, as a step that fails is
# lost whole.
_LARGE_STEP = 1 << 20
_PIPE = 1 << 16
SMALL_STEP = 1 << 14


class Readable(Protocol):
    """Read bytes, as files do."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes, none at the end."""
        ...


class Rewound(io.RawIOBase):
    """Read `head`, then the rest of `raw` as it comes: what was read ahead of a pipe put back."""

    def __init__(self, head: bytes, raw: Readable) -> None:
        self._head = head
        self._raw = raw
        # read() waits, deaf to Ctrl-C, until a pipe has given all that is asked for; read1() takes what there is.
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
    """Return the first `size` bytes of `raw`, less if there are not so many."""
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
    """Tell whether a file that begins with `head` is compressed."""
    return head.startswith((_XZ, *_MAGIC))


def first_bytes(head: bytes, size: int = 4096) -> bytes:
    """Return the first decompressed bytes of a file whose first bytes are `head`, as many as these hold."""
    if not is_compressed(head):
        return head[:size]
    stream = decompressed(io.BytesIO(head), head)
    content = bytearray()
    # A step that fails is lost whole: towards the end of what is there, one byte at a time.
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
    """Yield the decompressed content of `raw`; if it breaks off, set `outcome.problem`."""
    step = step or (SMALL_STEP if is_compressed(head) else _LARGE_STEP)
    try:
        stream = decompressed(raw, head)
        while chunk := stream.read(step):
            yield chunk
    except READ_ERRORS as error:
        outcome.problem = f"the input breaks off: {error}"
