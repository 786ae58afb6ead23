# SPDX-License-Identifier: LGPL-2.1-or-later
"""An open file of which each read(2) returns one record, read by the compiled loop and by Python."""

import errno
import os
import socket
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest

from spo_trace.formats.runs import Records
from spo_trace.native import library
from spo_trace.sources import kernel_file
from spo_trace.sources.kernel_file import Batch, KernelFile, Stop, number_of
from spo_trace.sources.read_loop import END, FULL, ReadLoop
from tests.support import entry, page

ROOM = memoryview(bytearray(1 << 17))


@pytest.fixture(params=["compiled", "Python"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test with the compiled loop and with Python."""
    if request.param == "Python":
        monkeypatch.setattr(kernel_file, "load", lambda: None)
    else:
        assert library.load() is not None


def test_a_real_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "page_owner"
    path.write_bytes(b"x" * 70_000)
    before = open_files()
    with KernelFile(path) as file:
        assert (len(file.pread(69_990)), file.position()) == (10, 0)
        assert (len(file.read()), file.position()) == (65536, 65536)
        assert (len(file.read()), file.read()) == (4464, b"")
        file.seek(69_999)
        assert file.read() == b"x"
    assert open_files() == before


def test_many_records_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, either: None) -> None:
    # GIVEN a file that returns 10 bytes per read, and room for three such records
    monkeypatch.setattr(kernel_file, "LONGEST_RECORD", 10)
    path = tmp_path / "page_owner"
    path.write_bytes(b"".join(b"%09d\n" % number for number in range(11)))
    room = memoryview(bytearray(39))

    def read(file: KernelFile, end: int | None = None) -> tuple[list[bytes], Stop, int]:
        ends, stop, next_pfn = file.read_many(room, end)
        return list(Records(bytes(room), ends).split()), stop, next_pfn

    def expected(first: int, last: int) -> list[bytes]:
        return [b"%09d\n" % number for number in range(first, last)]

    with KernelFile(path) as file:
        # THEN each comes once and in order, up to a full buffer, the end of the file or the PFN (here a byte)
        assert read(file) == (expected(0, 3), Stop.FULL, 0)
        assert read(file, 60) == (expected(3, 6), Stop.FULL, 0)
        assert read(file, 79) == (expected(6, 7), Stop.PAST, 79)
        assert file.position() == 80
        file.seek(70)
        assert read(file) == (expected(7, 10), Stop.FULL, 0)
        assert read(file) == (expected(10, 11), Stop.END, 0)
        assert read(file) == ([], Stop.END, 0)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOMEM])
def test_errors_of_a_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def failing(*_: object) -> bytes:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(kernel_file, "load", lambda: None)
    path = tmp_path / "page_owner"
    path.touch()
    with KernelFile(path) as file:
        monkeypatch.setattr(os, "read", failing)
        if number == errno.ENOMEM:
            assert file.read_many(ROOM) == Batch(array("q"), Stop.ENOMEM)
        else:
            with pytest.raises(OSError, match=r"Input/output error"):
                file.read_many(ROOM)


@pytest.fixture
def loop() -> Iterator[ReadLoop]:
    """Return the compiled loop on a descriptor that delimits three records like debugfs."""
    compiled = library.load()
    assert compiled is not None
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with here, there:
        for record in (page(1), page(2, comm=b"\n\nPage allocat"), entry(3)):
            here.send(record)
        here.shutdown(socket.SHUT_WR)
        yield ReadLoop(compiled, there.fileno(), 1 << 16)


def test_record_ends_are_kept(loop: ReadLoop) -> None:
    ends, stop, _ = loop.read(ROOM, None)
    assert list(Records(bytes(ROOM), ends).split()) == [page(1), page(2, comm=b"\n\nPage allocat"), entry(3)]
    assert stop == END


def test_a_descriptor_without_a_position(loop: ReadLoop) -> None:
    with pytest.raises(OSError, match=r"Illegal seek"):
        loop.read(ROOM, 1 << 40)


def test_a_closed_descriptor() -> None:
    compiled = library.load()
    assert compiled is not None
    with pytest.raises(OSError, match=r"Bad file descriptor"):
        ReadLoop(compiled, -1, 1 << 16).read(ROOM, None)
    for room in (ROOM[:0], ROOM[: (1 << 16) - 1]):
        assert ReadLoop(compiled, -1, 1 << 16).read(room, None) == (array("q"), FULL, 0)


def test_the_number_that_a_record_prints() -> None:
    assert number_of(page(0x123)) == 0x123
    assert number_of(page(0x123).replace(b"0x123", b"291")) == 291
    assert number_of(page(0x123, comm=b"\nPFN 0x5 ")) == 0x123
    assert number_of(entry(0x400000000000000)) == 0x400000000000000
    assert number_of(b"Page allocated via nothing") is None


def open_files() -> int:
    """Return the number of open descriptors."""
    return len(list(Path("/proc/self/fd").iterdir()))
