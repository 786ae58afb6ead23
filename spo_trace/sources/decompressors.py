# SPDX-License-Identifier: LGPL-2.1-or-later
"""The decompressors of all formats, with the interface of those in the standard library."""

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable
from typing import NamedTuple, Protocol, Self, runtime_checkable

from spo_trace.limits import MAX_XZ_MEMORY_BYTES, MAX_ZSTD_WINDOW_LOG

__all__ = ["Copyable", "Decompressor", "Format", "format_of"]


class Decompressor(Protocol):
    """Decompress one member (a gzip member, an xz stream, a zstd or lz4 frame) in steps.

    Errors are OSError, ValueError, zlib.error or lzma.LZMAError; the output of the failing call is lost.
    """

    @property
    def eof(self) -> bool:
        """Return whether the end of the member was reached."""
        ...

    @property
    def needs_input(self) -> bool:
        """Return whether more output needs more input."""
        ...

    @property
    def unused_data(self) -> bytes:
        """Return the input behind the end of the member."""
        ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Take `data`, and return at most `max_length` bytes."""
        ...


@runtime_checkable
class Copyable(Protocol):
    """A decompressor whose state can be kept; in the standard library, only that of gzip."""

    def copy(self) -> Decompressor:
        """Return a decompressor in the same state."""
        ...


class Format(NamedTuple):
    """Describe a format: the first bytes of a file, those of any further member, and its decompressor."""

    magic: bytes
    members: tuple[bytes, ...]
    start: Callable[[], Decompressor]


def format_of(head: bytes) -> Format | None:
    """Return the format of a file that begins with `head`, None if it is not compressed."""
    return next((known for known in _FORMATS if head.startswith(known.magic)), None)


class _Gzip:
    """Give zlib's object the interface of the others."""

    def __init__(self) -> None:
        # 31: a gzip header, the largest window, and a check sum.
        self._inflate = zlib.decompressobj(wbits=31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        # zlib takes 0 for no limit.
        piece = self._inflate.decompress(self._inflate.unconsumed_tail + data, max(0, max_length))
        self.needs_input = not self._inflate.unconsumed_tail and len(piece) != max_length
        return piece

    def copy(self) -> Self:
        other = type(self)()
        other._inflate = self._inflate.copy()
        other.needs_input = self.needs_input
        return other


class _Translating:
    """Raise ValueError for the error of a library."""

    def __init__(self, inner: Decompressor, error: type[Exception]) -> None:
        self._inner = inner
        self._error = error

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return self._inner.needs_input

    @property
    def unused_data(self) -> bytes:
        # None in lz4 before the end.
        return self._inner.unused_data or b""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        try:
            return self._inner.decompress(data, max_length)
        except self._error as error:
            raise ValueError(str(error)) from error


def _xz() -> Decompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_XZ_MEMORY_BYTES)


# pyarrow also decompresses zstd and lz4, but drops the data of a read that fails, and does not tell where a frame ends.
def _zstd() -> Decompressor:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    options = {int(zstd.DecompressionParameter.window_log_max): MAX_ZSTD_WINDOW_LOG}
    return _Translating(zstd.ZstdDecompressor(options=options), zstd.ZstdError)


def _lz4() -> Decompressor:
    from lz4.frame import LZ4FrameDecompressor

    return _Translating(LZ4FrameDecompressor(), RuntimeError)


_GZ, _BZ2, _XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00"
_ZSTD, _LZ4 = b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"
# Frames with other data than text, which decompressors of both formats skip.
_SKIPPABLE = tuple(bytes([low]) + b"\x2a\x4d\x18" for low in range(0x50, 0x60))

_FORMATS = (
    Format(_GZ, (_GZ,), _Gzip),
    Format(_BZ2, (_BZ2,), bz2.BZ2Decompressor),
    Format(_XZ, (_XZ,), _xz),
    Format(_ZSTD, (_ZSTD, *_SKIPPABLE), _zstd),
    Format(_LZ4, (_LZ4, *_SKIPPABLE), _lz4),
)
