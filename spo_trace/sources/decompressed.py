# SPDX-License-Identifier: LGPL-2.1-or-later
"""A compressed file read as a stream, which gives all that can be decompressed of a damaged one."""

import lzma
import zlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import Protocol

from spo_trace.limits import MAX_EXPANSION, MAX_PADDING_BYTES, MAX_REPLAYED_BYTES, MIN_EXPANDED_BYTES
from spo_trace.sources.decompressors import Copyable, Decompressor, Format

__all__ = ["STEP", "Decompressed", "Readable"]

# Bytes of compressed input per read, and most bytes of output per call of a decompressor.
STEP = 1 << 15

_ERRORS = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)

_LONGEST_MAGIC = 6


class Readable(Protocol):
    """Anything with the read() of a binary file."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes, none at the end."""
        ...


class Decompressed:
    """Read the decompressed content of `raw`, which is of `format` and may have several members and end in zeros.

    No error is raised: after the last byte that could be decompressed, `problem` has the reason, None for a complete
    file. `is_cut_off`: the reason is that the compressed file ended.
    """

    def __init__(self, raw: Readable, format: Format) -> None:
        self.problem: str | None = None
        self.is_cut_off = False
        self._raw = raw
        self._format = format
        self._ended = False
        self._taken = self._given = 0
        self._start(b"")

    def read(self, size: int = STEP, /) -> bytes:
        """Return at least one byte and at most `size`; none at the end."""
        while not self._ended:
            try:
                piece = self._next(min(size, STEP) if size > 0 else STEP)
            except _ERRORS as error:
                piece = self._replayed()
                self._end(str(error))
            else:
                self._given_since += len(piece)
            self._given += len(piece)
            if self._given > max(MIN_EXPANDED_BYTES, MAX_EXPANSION * self._taken):
                self._end(f"it is no text: {self._taken:,} bytes expand to more than {self._given:,}")
            if piece:
                return piece
        return b""

    def _end(self, problem: str | None) -> None:
        self.problem = problem
        self._ended = True

    def _start(self, data: bytes) -> None:
        self._member: Decompressor = self._format.start()
        self._waiting = data
        self._keep_from(None)

    # From here on, what the member is given is kept, and what it returns is counted: _again() repeats it.
    # `state`: a copy of the member, None at its start.
    def _keep_from(self, state: Decompressor | None) -> None:
        self._state = state
        # None if it is too large to be kept.
        self._kept: list[bytes] | None = []
        self._kept_bytes = 0
        self._given_since = 0

    # Return some bytes; none at the end, and also if the decompressor needs more input first.
    def _next(self, size: int) -> bytes:
        if self._member.eof:
            self._to_next_member()
            return b""
        if not self._member.needs_input:
            return self._member.decompress(b"", size)
        data, self._waiting = self._waiting or self._more(), b""
        if data:
            self._keep(data)
        piece = self._member.decompress(data, size)
        if not data and not piece and not self._member.eof:
            self.is_cut_off = True
            raise EOFError("the compressed file is cut off")
        return piece

    def _more(self) -> bytes:
        data = self._raw.read(STEP)
        self._taken += len(data)
        return data

    # gzip(1), xz(1) and others accept zeros behind a member and further members. Anything else is no part of the file.
    def _to_next_member(self) -> None:
        rest = self._member.unused_data.lstrip(b"\0")
        zeros = 0
        while len(rest) < _LONGEST_MAGIC and (data := self._more()):
            rest = rest + data if rest else data.lstrip(b"\0")
            zeros += len(data)
            if zeros > MAX_PADDING_BYTES:
                return self._end(f"more than {MAX_PADDING_BYTES >> 30} GiB of zeros follow the compressed data")
        if not rest:
            return self._end(None)
        if not rest.startswith(self._format.members):
            return self._end("the compressed data is followed by other data, which is not read")
        return self._start(rest)

    def _keep(self, data: bytes) -> None:
        if self._kept is None:
            return
        if self._kept_bytes + len(data) > MAX_REPLAYED_BYTES:
            if not isinstance(self._member, Copyable):
                self._kept = None
                return
            self._keep_from(self._member.copy())
        self._kept.append(data)
        self._kept_bytes += len(data)

    # The output of the call that failed. Only bz2 checks a block together with its last byte, which is missing then.
    def _replayed(self) -> bytes:
        output = bytearray()
        with suppress(*_ERRORS):
            for byte in self._again():
                output += byte
        return bytes(output)

    # The call failed on the last input: give that byte by byte, and take the new output in the same way.
    def _again(self) -> Iterator[bytes]:
        if not self._kept:
            return
        *before, last = self._kept
        again = self._state or self._format.start()
        given = 0
        for data in chain(before, (last[at : at + 1] for at in range(len(last)))):
            while data or not (again.needs_input or again.eof):
                old = min(STEP, self._given_since - given)
                piece = again.decompress(data, old or 1)
                given += len(piece)
                data = b""
                if not old:
                    self._given_since += len(piece)
                    yield piece
