# SPDX-License-Identifier: LGPL-2.1-or-later
"""A tar archive read as a stream by tarfile, which by itself keeps headers of any size and number in memory."""

import io
import re
import tarfile
from collections.abc import Iterator
from typing import Any, BinaryIO, Self, cast

from spo_trace.limits import MAX_EXTENDED_HEADERS, MAX_GLOBAL_HEADERS, MAX_MEMBER_HEADER_BYTES, MAX_MEMBERS
from spo_trace.sources.compression import Rewound, decompressed
from spo_trace.sources.decompressed import Decompressed, Readable

__all__ = ["TarStream"]

_HEAD = 4096

# The end of an archive is at least two blocks of zeros, usually up to a multiple of 10 KiB. Its check sum follows.
_REST = 1 << 20

_MOST_READS_AT_END = 100

_LONG_NUMBER = re.compile(rb"\d{100}")

_PAX = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
_EXTENDED = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, *_PAX)


class TarStream:
    """Iterate once over the members of the archive that `raw` contains, compressed or not.

    Methods raise tarfile.TarError, OSError, EOFError, ValueError or OverflowError for a damaged archive.
    """

    def __init__(self, raw: BinaryIO) -> None:
        head = raw.read(_HEAD)
        self._stream = decompressed(Rewound(head, raw), head)
        headers = _HeaderReader(self._stream)

        class Member(_Member):
            reader = headers

        # It need not be closed: it opens nothing.
        self._archive = tarfile.open(fileobj=cast(BinaryIO, headers), mode="r|", tarinfo=Member)  # noqa: SIM115

    @property
    def problem(self) -> str | None:
        """Return why the archive could not be decompressed further, None if it could."""
        return self._stream.problem if isinstance(self._stream, Decompressed) else None

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        for _ in range(MAX_MEMBERS):
            member = self._archive.next()
            if member is None:
                return
            # tarfile keeps every member.
            self._archive.members.clear()  # type: ignore[attr-defined]
            yield member
        raise tarfile.ReadError(f"it has more than {MAX_MEMBERS:,} members")

    def open(self, member: tarfile.TarInfo) -> BinaryIO:
        """Return the content of a regular file, the last member that was yielded."""
        # tarfile never returns from a read of a sparse file whose map has negative numbers.
        if member.issparse():
            raise tarfile.ReadError("it is stored as a sparse file; unpack the archive and name the directory")
        return cast(BinaryIO, self._archive.extractfile(member))

    def content(self, member: tarfile.TarInfo, size: int = -1) -> bytes:
        """Return the first `size` bytes of a regular file, by default all."""
        return self.open(member).read(size)

    def has_end(self) -> bool:
        """Check, after the last member, whether the archive has an end; read on to the check sum of its compression."""
        # An archive ends with a block of zeros; tarfile also accepts the end of its input.
        assert self._archive.fileobj is not None
        position = self._archive.fileobj.tell()
        left = _REST
        while left > 0 and (piece := self._stream.read(_HEAD)):
            left -= len(piece)
        return bool(position - self._archive.offset >= tarfile.BLOCKSIZE)


class _HeaderReader:
    """Read the archive for tarfile; while a member's headers are read, at most MAX_MEMBER_HEADER_BYTES bytes."""

    def __init__(self, stream: Readable) -> None:
        self.depth = 0
        self._stream = stream
        self._left = 0
        self._reads_at_end = 0

    def read(self, size: int = -1, /) -> bytes:
        piece = self._stream.read(size)
        # To skip a member, tarfile reads as often as its size requires, even at the end of the archive.
        self._reads_at_end += not piece
        if self._reads_at_end > _MOST_READS_AT_END:
            raise tarfile.ReadError("unexpected end of data")
        if self.depth:
            self._left -= len(piece)
            if self._left < 0:
                raise tarfile.ReadError(f"a member has more than {MAX_MEMBER_HEADER_BYTES >> 20} MiB of headers")
        return piece

    def __enter__(self) -> None:
        if not self.depth:
            # tarfile reads ahead, by one record.
            self._left = MAX_MEMBER_HEADER_BYTES + tarfile.RECORDSIZE
        if self.depth > MAX_EXTENDED_HEADERS:
            raise tarfile.ReadError(f"a member has more than {MAX_EXTENDED_HEADERS} extended headers")
        self.depth += 1

    def __exit__(self, *_: object) -> None:
        self.depth -= 1


class _Member(tarfile.TarInfo):
    """A member whose headers are bounded; fromtarfile() calls itself for a header that follows an extended one."""

    reader: _HeaderReader

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        with cls.reader:
            try:
                member = super().fromtarfile(archive)
            except IndexError as error:
                raise tarfile.ReadError("a header is cut off") from error
        if len(archive.pax_headers) > MAX_GLOBAL_HEADERS:
            raise tarfile.ReadError(f"it has more than {MAX_GLOBAL_HEADERS} global headers")
        return member

    # Called depending on the type of a member; to be overridden, as tarfile says.
    def _proc_member(self, archive: Any) -> tarfile.TarInfo:
        if self.type not in _EXTENDED:
            return super()._proc_member(archive)  # type: ignore[misc,no-any-return]
        if not 0 <= self.size <= MAX_MEMBER_HEADER_BYTES:
            raise tarfile.ReadError(f"an extended header has {self.size:,} bytes")
        stream = archive.fileobj
        content = stream.read(-(-self.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE)
        # CVE-2024-6232: before Python 3.11.10, 1 MiB of digits is searched for hours.
        if self.type in _PAX and _LONG_NUMBER.search(content):
            raise tarfile.ReadError("a PAX header has a number of 100 digits or more")
        archive.fileobj = _Reread(content, stream)
        try:
            return super()._proc_member(archive)  # type: ignore[misc,no-any-return]
        finally:
            archive.fileobj = stream


class _Reread:
    """Give `content`, which was read from `stream`, before the rest of `stream`."""

    def __init__(self, content: bytes, stream: Any) -> None:
        self._content = io.BytesIO(content)
        self._stream = stream

    def read(self, size: int) -> bytes:
        return self._content.read(size) or bytes(self._stream.read(size))

    def tell(self) -> int:
        return int(self._stream.tell())
