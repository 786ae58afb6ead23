# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files are read ahead in their order, several at a time; errors come where the file is taken."""

import threading

import pyarrow as pa
import pytest

from spo_trace.fleet.store_ahead import File, ReadAhead

FILES = [File("cube", f"{number}") for number in range(40)]


def content(file: File) -> pa.Buffer:
    return pa.py_buffer(file.name.encode())


def taken(ahead: ReadAhead, files: list[File]) -> list[bytes]:
    """Return the content of files."""
    return [ahead.take(file).to_pybytes() for file in files]


def test_several_are_read_at_a_time() -> None:
    together = threading.Barrier(16, timeout=30)

    def waiting(file: File) -> pa.Buffer:
        # Passes only if 16 are being read.
        together.wait()
        return content(file)

    ahead = ReadAhead(waiting)
    ahead.expect((file, 1) for file in FILES[:16])
    assert taken(ahead, FILES[:16]) == [file.name.encode() for file in FILES[:16]]


def test_each_is_read_once_whatever_is_left_out() -> None:
    read: list[File] = []

    def noted(file: File) -> pa.Buffer:
        read.append(file)
        return content(file)

    ahead = ReadAhead(noted)
    ahead.expect((file, 1) for file in FILES)
    wanted = [FILES[3], *FILES[5:20], File("stacks", "x"), FILES[39]]
    assert taken(ahead, wanted) == [file.name.encode() for file in wanted]
    assert len(read) == len(set(read)) and FILES[0] not in read
    # What was expected before is forgotten.
    ahead.expect([])
    assert taken(ahead, [FILES[30]]) == [b"30"]


def test_large_files_are_not_read_ahead() -> None:
    read: list[File] = []
    ahead = ReadAhead(lambda file: read.append(file) or content(file))  # type: ignore[func-returns-value]
    ahead.expect([(FILES[0], 1), (FILES[1], 1 << 30)])
    ahead.take(FILES[0])
    ahead.close()
    assert FILES[1] not in read


def test_an_error_comes_where_the_file_is_taken() -> None:
    def failing(file: File) -> pa.Buffer:
        if file == FILES[2]:
            raise FileNotFoundError(file.name)
        return content(file)

    ahead = ReadAhead(failing)
    ahead.expect((file, 1) for file in FILES)
    assert taken(ahead, FILES[:2]) == [b"0", b"1"]
    with pytest.raises(FileNotFoundError):
        ahead.take(FILES[2])
    assert taken(ahead, FILES[3:]) == [file.name.encode() for file in FILES[3:]]
