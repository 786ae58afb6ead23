# SPDX-License-Identifier: LGPL-2.1-or-later
"""Loads of eight bytes: at any address, with anything before and after, and never beyond the padding."""

import ctypes
import mmap
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spo_trace.formats.blocks import Block
from spo_trace.formats.bytescan import PADDING, count_newlines, digits, equal, find, hash_bytes, hex_digits, word
from spo_trace.formats.fast_pages import _Scanner
from spo_trace.formats.scanned_pages import new_names
from tests.unit.formats.reading import HEADER
from tests.unit.formats.test_cuts import PAGES

FEW_BYTES = st.lists(st.sampled_from([b"\n", b"\x0b", b"\x09", b"\0", b"\x01", b"\x8a", b"a"]), max_size=40).map(
    b"".join
)
QUICK = settings(deadline=None, max_examples=300)


class Bytes:
    """Hold bytes at an address, with other bytes around them."""

    def __init__(self, text: bytes, around: bytes = b"\0", skew: int = 0) -> None:
        self._memory = np.frombuffer(around * (8 + skew) + text + around * PADDING, np.uint8)
        self.start = self._memory.ctypes.data + 8 + skew
        self.end = self.start + len(text)


@given(FEW_BYTES, st.sampled_from([b"\0", b"\n", b"\xff"]), st.integers(0, 8))
@QUICK
def test_find_and_count(text: bytes, around: bytes, skew: int) -> None:
    at = Bytes(text, around, skew)
    for wanted in (b"\n", b"\0", b"\x8a"):
        place = text.find(wanted)
        assert find(at.start, at.end, word(wanted * 8)) - at.start == (place if place >= 0 else len(text))
    assert count_newlines(at.start, at.end) == text.count(b"\n")


@given(st.binary(max_size=60), st.binary(max_size=60), st.integers(0, 8))
@QUICK
def test_equal_bytes_have_equal_hashes(one: bytes, other: bytes, skew: int) -> None:
    # GIVEN bytes twice, with different neighbours, and other bytes
    at, again = Bytes(one), Bytes(one, b"\xff", skew)
    assert equal(at.start, again.start, len(one))
    assert hash_bytes(at.start, len(one)) == hash_bytes(again.start, len(one))
    # THEN only the same bytes are equal
    length = min(len(one), len(other))
    assert equal(at.start, Bytes(other).start, length) == (one[:length] == other[:length])


@pytest.mark.parametrize("length", range(1, 40))
def test_every_byte_counts(length: int) -> None:
    text = bytes(range(length))
    same = Bytes(text)
    for place in range(length):
        changed = Bytes(text[:place] + b"\xee" + text[place + 1 :])
        assert not equal(same.start, changed.start, length)
        assert hash_bytes(same.start, length) != hash_bytes(changed.start, length)


@pytest.mark.parametrize(
    ("text", "value", "length"),
    [
        (b"0", 0, 1),
        (b"0012x", 12, 4),
        (b"1/", 1, 1),
        (b"1:", 1, 1),
        (b"9" * 18, 10**18 - 1, 18),
        (b"9" * 19, 0, None),
        (b"0" * 19, 0, None),
        (b"", 0, None),
        (b"-1", 0, None),
        (b"\xb1", 0, None),
    ],
)
def test_digits(text: bytes, value: int, length: int | None) -> None:
    at = Bytes(text)
    assert digits(at.start) == (value, 0 if length is None else at.start + length)


@pytest.mark.parametrize(
    ("text", "value", "length"),
    [
        (b"0g", 0, 1),
        (b"00ff", 255, 4),
        (b"09afA", 0x9AF, 4),
        (b"a`", 10, 1),
        (b"f" * 15 + b"(", 16**15 - 1, 15),
        (b"f" * 16, 0, None),
        (b"", 0, None),
        (b"A", 0, None),
        (b"0x1", 0, 1),
    ],
)
def test_hex_digits(text: bytes, value: int, length: int | None) -> None:
    at = Bytes(text)
    assert hex_digits(at.start) == (value, 0 if length is None else at.start + length)


def _unreadable(address: int, size: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(size), 0) == 0, ctypes.get_errno()


@pytest.mark.parametrize("record", [PAGES[0], PAGES[1], PAGES[4], HEADER + b" a+0x1/0x2\n\n"])
def test_nothing_is_read_beyond_the_padding(record: bytes) -> None:
    # GIVEN two pages of memory, the second not readable
    memory = mmap.mmap(-1, 2 * mmap.PAGESIZE)
    start = np.frombuffer(memory, np.uint8).ctypes.data
    _unreadable(start + mmap.PAGESIZE, mmap.PAGESIZE)
    for cut in range(1, len(record) + 1):
        # WHEN a text that is cut anywhere, and its padding, end where the first ends
        padded = record[:cut] + bytes(PADDING)
        first = mmap.PAGESIZE - len(padded)
        memory[first : mmap.PAGESIZE] = padded
        block = Block(cast(bytes, memoryview(memory)[first : mmap.PAGESIZE]), cut, 0)
        scanned = _Scanner(new_names()).scan(block)
        # THEN it is scanned as anywhere else (and the process is still there)
        elsewhere = _Scanner(new_names()).scan(Block(padded, cut, 0))
        assert len(scanned.rows[0]) + len(scanned.left) == 1
        assert (scanned.rows.tolist(), scanned.left.tolist()) == (elsewhere.rows.tolist(), elsewhere.left.tolist())
        assert (scanned.strings, scanned.lines) == (elsewhere.strings, elsewhere.lines)


def test_text_after_the_end_is_not_read() -> None:
    # GIVEN a buffer that goes on with what would end the record, or begin one
    record = HEADER + b" a+0x1/0x2\n\n"
    for cut in range(1, len(record)):
        block = Block(record + HEADER + bytes(PADDING), cut, 0)
        # THEN a record is not one before its end
        assert len(_Scanner(new_names()).scan(block).rows[0]) == 0
