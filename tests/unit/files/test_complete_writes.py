# SPDX-License-Identifier: LGPL-2.1-or-later
"""Complete writes on file objects that take only a part of the data."""

import fcntl
import io
import os
import select
from collections.abc import Callable
from typing import Any, cast

import pytest

from spo_trace.files.complete_writes import CompleteText, CompleteWrites, complete, is_complete

DATA = bytes(range(256)) * 5000


class Sparing(io.RawIOBase):
    """A raw file that takes at most `most` bytes at once."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self.taken += data[: self.most]
        return min(self.most, len(data))


class SparingText(io.TextIOBase):
    """A text file that takes at most 7 characters at once."""

    def __init__(self) -> None:
        self.taken = ""

    def write(self, text: str, /) -> int:
        self.taken += text[:7]
        return min(7, len(text))


@pytest.mark.parametrize("most", [1000, 4096, 1 << 20, 1 << 30])
def test_the_rest_of_a_short_write_is_written(most: int) -> None:
    file = Sparing(most)
    assert CompleteWrites(file).write(DATA) == len(DATA)
    assert bytes(file.taken) == DATA


def test_the_rest_of_a_short_text_is_written() -> None:
    file = SparingText()
    assert CompleteText(file).write("äöü" * 100) == 300
    assert file.taken == "äöü" * 100


@pytest.mark.parametrize("returned", [0, -1])
def test_a_file_that_takes_nothing_is_an_error(returned: int) -> None:
    class Refusing(io.RawIOBase):
        def write(self, _: Any, /) -> int:
            return returned

    with pytest.raises(OSError, match="takes no data"):
        CompleteWrites(Refusing()).write(b"x")


@pytest.mark.parametrize("returned", [None, True, "x"])
def test_an_object_that_returns_no_count_has_taken_all(returned: object) -> None:
    taken = []

    class Plain:
        def write(self, data: bytes) -> object:
            taken.append(data)
            return returned

    CompleteWrites(Plain()).write(b"xyz")
    assert taken == [b"xyz"]


def test_a_raw_file_that_would_block_and_cannot_be_waited_for_is_an_error() -> None:
    class Blocked(io.RawIOBase):
        def write(self, _: Any, /) -> None:
            return None

    with pytest.raises(BlockingIOError):
        CompleteWrites(Blocked()).write(b"x")


def raw_file(fd: int) -> Any:
    return os.fdopen(fd, "wb", buffering=0)


def buffered(fd: int) -> Any:
    return os.fdopen(fd, "wb")


@pytest.mark.parametrize("opened", [raw_file, buffered])
def test_a_full_pipe_is_waited_for(opened: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a non-blocking pipe whose reader reads only when the writer waits
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, False)
    received = bytearray()

    class Poll:
        def __init__(self) -> None:
            self.poll = lambda: received.extend(os.read(reader, 3000))

        def register(self, fd: int, events: int) -> None:
            assert (fd, events) == (writer, select.POLLOUT)

    monkeypatch.setattr(select, "poll", Poll)
    # WHEN more is written than the pipe holds
    with opened(writer) as file:
        complete_file = CompleteWrites(file)
        assert complete_file.write(DATA) == len(DATA)
        complete_file.flush()
    # THEN all of it arrives
    with os.fdopen(reader, "rb") as rest:
        assert bytes(received) + rest.read() == DATA


def test_a_stream_with_a_raw_file_becomes_complete() -> None:
    file = Sparing(100)
    stream: Any = io.TextIOWrapper(cast(Any, file), encoding="latin-1", errors="replace", write_through=True)
    assert not is_complete(stream)
    found = complete(stream)
    found.write("é→\n" * 1000)
    found.buffer.write(b"." * 1000)
    found.flush()
    assert (found.encoding, found.errors) == ("latin-1", "replace")
    assert bytes(file.taken) == b"\xe9?\n" * 1000 + b"." * 1000


def test_which_streams_are_complete() -> None:
    assert is_complete(io.TextIOWrapper(io.BytesIO()))
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream, os.fdopen(reader):
        assert is_complete(stream)
        os.set_blocking(writer, False)
        assert not is_complete(stream)
