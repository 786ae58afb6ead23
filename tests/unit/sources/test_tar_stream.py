# SPDX-License-Identifier: LGPL-2.1-or-later
"""Archives whose headers are large, many, nested or sparse; each would take memory or time without limit."""

import bz2
import io
import tarfile
from collections.abc import Iterator

import pytest

from spo_trace.limits import MAX_EXTENDED_HEADERS, MAX_GLOBAL_HEADERS, MAX_MEMBER_HEADER_BYTES
from spo_trace.sources import tar_stream
from spo_trace.sources.compression import READ_ERRORS
from spo_trace.sources.tar_stream import TarStream
from tests.support import tar_of

ZEROS = bytes(2 * tarfile.BLOCKSIZE)


class Counted(io.BytesIO):
    """A file of `head`, followed by `filling` without end; it counts what is read."""

    def __init__(self, head: bytes, filling: bytes) -> None:
        """Start at the beginning."""
        super().__init__(head)
        self.filling, self.taken, self.head = filling, 0, len(head)

    def read(self, size: int | None = -1, /) -> bytes:
        """Return bytes of the head, then filling."""
        assert size is not None
        assert 0 < size < 1 << 20
        piece = super().read(size)
        if not piece:
            at = (self.taken - self.head) % len(self.filling)
            piece = (self.filling * (size // len(self.filling) + 2))[at : at + size]
        self.taken += len(piece)
        return piece

    read1 = read


def header(name: str, kind: bytes, size: int) -> bytes:
    """Return one header of 512 bytes."""
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


def pax(records: dict[str, str], kind: bytes = tarfile.XHDTYPE) -> bytes:
    """Return an extended header with these records."""
    body = b""
    for key, value in records.items():
        rest = f" {key}={value}\n".encode()
        length = len(rest) + len(str(len(rest) + 3))
        body += str(length).encode() + rest
    return header("pax", kind, len(body)) + body + bytes(-len(body) % tarfile.BLOCKSIZE)


def names(file: io.BytesIO) -> list[str]:
    """Return the names of all members."""
    return [member.name for member in TarStream(file)]


EXTENDED = {
    "GNU long name": tarfile.GNUTYPE_LONGNAME,
    "GNU long link": tarfile.GNUTYPE_LONGLINK,
    "PAX": tarfile.XHDTYPE,
    "global PAX": tarfile.XGLTYPE,
    "Solaris PAX": tarfile.SOLARIS_XHDTYPE,
}


@pytest.mark.parametrize("kind", EXTENDED.values(), ids=EXTENDED)
@pytest.mark.parametrize("size", [MAX_MEMBER_HEADER_BYTES + 1, 2 << 30, 1 << 60])
def test_an_extended_header_is_refused_before_it_is_read(kind: bytes, size: int) -> None:
    file = Counted(header("x", kind, size), b"a")
    with pytest.raises(tarfile.ReadError, match=rf"^an extended header has {size:,} bytes$"):
        names(file)
    assert file.taken < 1 << 16


def test_names_up_to_the_limit_can_be_read() -> None:
    long = "a/" * 2000 + "page_owner"
    assert names(io.BytesIO(tar_of({long: b"x", "meminfo": b"y"}))) == [long, "meminfo"]


def test_headers_that_follow_each_other_without_end() -> None:
    # GIVEN long names of long names of …
    one = header("x", tarfile.GNUTYPE_LONGNAME, 3) + b"abc" + bytes(509)
    few = io.BytesIO(one * MAX_EXTENDED_HEADERS + tar_of({"x": b""}))
    assert names(few) == ["abc"]
    file = Counted(b"", one)
    with pytest.raises(tarfile.ReadError, match=r"^a member has more than 8 extended headers$"):
        names(file)
    assert file.taken < 1 << 16


def sparse_chain() -> Iterator[Counted]:
    """Yield archives with maps of sparse files without end: of GNU tar before 1.14, and PAX 1.0."""
    old = bytearray(header("x", tarfile.GNUTYPE_SPARSE, 0))
    old[482] = 1
    old[148:156] = b"%06o\0 " % (sum(old[:148]) + 8 * 32 + sum(old[156:]))
    extension = (b"%011o\0" % 1) * 42 + b"\1" + bytes(7)
    yield Counted(bytes(old), extension)
    first = pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "x"})
    yield Counted(first + header("x", tarfile.REGTYPE, 1 << 40) + b"99999999999\n", b"11\n11\n")


@pytest.mark.parametrize("file", list(sparse_chain()), ids=["old", "PAX 1.0"])
def test_maps_of_sparse_files_are_bounded(file: Counted) -> None:
    with pytest.raises(tarfile.ReadError, match=r"^a member has more than 1 MiB of headers$"):
        names(file)
    assert file.taken < MAX_MEMBER_HEADER_BYTES + (1 << 16)


def test_a_sparse_file_is_listed_and_not_read() -> None:
    # GIVEN a map with a negative size, from which tarfile never returns
    first = pax({"GNU.sparse.map": "0,-5", "GNU.sparse.size": "100", "GNU.sparse.numblocks": "1"})
    archive = TarStream(io.BytesIO(first + header("x", tarfile.REGTYPE, 0) + ZEROS))
    for member in archive:
        with pytest.raises(tarfile.ReadError, match="sparse file"):
            archive.content(member)


def test_global_headers_are_bounded() -> None:
    files = b"".join(pax({f"k{n}": "v"}, tarfile.XGLTYPE) + header(str(n), tarfile.REGTYPE, 0) for n in range(200))
    with pytest.raises(tarfile.ReadError, match=rf"^it has more than {MAX_GLOBAL_HEADERS} global headers$"):
        names(io.BytesIO(files + ZEROS))


def test_a_header_of_digits_is_refused() -> None:
    # GIVEN digits that the regular expressions of tarfile before Python 3.11.10 search for hours
    body = b"1" * (MAX_MEMBER_HEADER_BYTES - 512)
    with pytest.raises(tarfile.ReadError, match=r"number of 100 digits"):
        names(io.BytesIO(header("pax", tarfile.XHDTYPE, len(body)) + body + bytes(512) + ZEROS))


def test_members_are_bounded_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = TarStream(io.BytesIO(tar_of(dict.fromkeys(map(str, range(50)), b"x"))))
    for _ in archive:
        assert len(archive._archive.members) <= 1  # type: ignore[attr-defined]
    monkeypatch.setattr(tar_stream, "MAX_MEMBERS", 49)
    with pytest.raises(tarfile.ReadError, match=r"^it has more than 49 members$"):
        names(io.BytesIO(tar_of(dict.fromkeys(map(str, range(50)), b"x"))))


def test_a_bomb_of_zeros_between_members_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a member of zeros that expands by a factor of a million
    monkeypatch.setattr("spo_trace.sources.decompressed.MIN_EXPANDED_BYTES", 1 << 20)
    archive = TarStream(io.BytesIO(bz2.compress(header("x", tarfile.REGTYPE, 1 << 40) + bytes(1 << 26))))
    with pytest.raises(READ_ERRORS):
        list(archive)
    assert archive.problem is not None
    assert archive.problem.startswith("it is no text: ")


@pytest.mark.parametrize("size", [1 << 33, 1 << 60])
def test_a_member_that_is_larger_than_the_archive_ends_at_once(size: int) -> None:
    # GIVEN a member whose size takes tarfile years to skip
    with pytest.raises(tarfile.ReadError, match=r"^unexpected end of data$"):
        names(io.BytesIO(header("x", tarfile.REGTYPE, size) + b"x" * 512))


def test_a_map_of_a_sparse_file_that_is_cut_off() -> None:
    old, _ = sparse_chain()
    with pytest.raises(tarfile.ReadError, match=r"^a header is cut off$"):
        names(io.BytesIO(io.BytesIO(old.getvalue()).read() + bytes(100)))
