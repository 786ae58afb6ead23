# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reading ahead gives the same chunks and the same error, and leaves no thread behind."""

import threading
import time
from collections.abc import Generator, Iterator

import pytest

from spo_trace.formats.fast import read_ahead as module
from spo_trace.formats.fast.read_ahead import read_ahead


def join_all_but(threads: set[threading.Thread]) -> None:
    for thread in {*threading.enumerate()} - threads:
        thread.join(timeout=60)
    assert {*threading.enumerate()} <= threads


@pytest.mark.parametrize("count", [0, 1, module._DEPTH, 10 * module._DEPTH])
def test_chunks_do_not_change(count: int) -> None:
    chunks = [b"%d" % number for number in range(count)]
    assert list(read_ahead(iter(chunks))) == chunks


def test_an_error_is_raised_at_its_place() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"1"
        raise OSError("gone")

    reader = read_ahead(chunks())
    assert next(reader) == b"1"
    with pytest.raises(OSError, match="gone"):
        next(reader)


def test_only_a_few_chunks_are_read_in_advance() -> None:
    # GIVEN an endless stream whose chunks are counted
    taken = []

    def chunks() -> Iterator[bytes]:
        while True:
            taken.append(1)
            yield b"x"

    threads = {*threading.enumerate()}
    reader = read_ahead(chunks())
    assert isinstance(reader, Generator)
    # WHEN one chunk is taken, and the thread waits
    next(reader)
    time.sleep(0.3)
    assert len(taken) <= module._DEPTH + 3
    # THEN the thread ends with its user
    reader.close()
    join_all_but(threads)
