# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where each record begins and ends."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spo_trace.formats import record
from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import LONGEST_PIECE, Record, Reject, split_at_empty_lines, split_records
from spo_trace.formats.text_lines import LineStarts
from tests.unit.formats.drawing import cut_anywhere

START = b"Page allocated via "
PIECES = st.sampled_from([START, b"\n", b"\n\n", b"Page allocated via", b"order 0", b"\r", b"", b"x" * 40])


def texts(chunks: Iterable[bytes]) -> list[bytes]:
    return [found.text for found in split_records(chunks)]


def test_a_record_begins_with_its_words_at_the_start_of_a_line() -> None:
    text = START + b"1\n\n" + START + b"2 " + START + b"3\n" + START + b"4"
    assert texts([text]) == [START + b"1\n\n", START + b"2 " + START + b"3\n", START + b"4"]


def test_records_have_their_places() -> None:
    text = b"junk\njunk\n" + START + b"1\n frame\n\n" + START + b"2\n\n"
    assert list(split_records([text])) == [
        Record(b"junk\njunk\n", 0, 1),
        Record(START + b"1\n frame\n\n", 10, 3),
        Record(START + b"2\n\n", 39, 6, last=True),
    ]


@given(st.lists(PIECES, max_size=30).map(b"".join), st.data())
@settings(deadline=None, max_examples=150)
def test_chunks_make_no_difference_and_no_byte_is_lost(text: bytes, data: st.DataObject) -> None:
    # GIVEN any text in any chunks, and a limit that some records exceed
    chunks = data.draw(cut_anywhere(text))
    for longest in (1, 19, 20, 64, 1 << 20):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(record, "LONGEST_PIECE", longest)
            # WHEN it is split whole, and in chunks
            whole, cut = texts([text]), texts(chunks)
        # THEN the pieces are the same, none is too long, and together they are the text
        assert cut == whole
        assert b"".join(cut) == text
        assert all(0 < len(piece) <= longest for piece in cut)


@pytest.mark.parametrize("step", [1 << 12, 1 << 16, (1 << 20) + 1, 1 << 24])
def test_text_without_records_is_passed_on_in_pieces_of_bounded_size(step: int) -> None:
    # GIVEN a little more than 3 MiB of other text, then a record
    garbage = b"\0garbage" * (3 << 17) + b"!\n"
    text = garbage + START + b"1\n\n"
    # WHEN it comes in small or large chunks
    found = texts(text[at : at + step] for at in range(0, len(text), step))
    # THEN the pieces have 1 MiB, and the record is separate
    assert [len(piece) for piece in found] == [1 << 20, 1 << 20, 1 << 20, 2, len(START) + 3]
    assert b"".join(found) == text


def test_a_place_includes_the_bytes_that_were_removed() -> None:
    plain = Record(b"ab\ncd\nef\n", 100, 10)
    assert [plain.place(at) for at in (0, 3, 6)] == [(100, 10), (103, 11), (106, 12)]
    # b"ab\r\n> cd\nef\n"
    starts = LineStarts()
    for number, (clean, offset) in enumerate([(0, 0), (3, 6), (6, 9)]):
        starts.add(clean, offset, number)
    shorter = plain._replace(starts=starts)
    assert [shorter.place(at) for at in (0, 1, 3, 4, 6)] == [(100, 10), (101, 10), (106, 11), (107, 11), (109, 12)]


def test_a_reject_has_the_place_of_the_fault_and_the_whole_record() -> None:
    reject = Reject.whole("page_owner", Record(b"ab\ncd\n", 100, 10), Reason.LINE, 4)
    assert reject == ("page_owner", 104, 11, Reason.LINE, b"ab\ncd\n", True, 1)


def test_records_of_stacks_end_at_empty_lines() -> None:
    records = list(split_at_empty_lines([b" a\nn: 1\n\n b\r\nn: 2\r\n\r\n c"]))
    assert records == [Record(b" a\nn: 1\n\n", 0, 1), Record(b" b\r\nn: 2\r\n\r\n", 9, 4), Record(b" c", 21, 7)]
    assert list(split_at_empty_lines([])) == list(split_at_empty_lines([b""])) == []


@pytest.mark.parametrize("size", [1, 2, 5, 9, 100])
def test_records_of_stacks_in_any_chunks(size: int) -> None:
    text = b" a\nn: 1\n\n b\r\nn: 2\r\n\r\n c\n\n\n"
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    records = list(split_at_empty_lines(chunks))
    assert b"".join(record.text for record in records) == text
    assert [record for record in records if record.text.strip()] == [
        Record(b" a\nn: 1\n\n", 0, 1),
        Record(b" b\r\nn: 2\r\n\r\n", 9, 4),
        Record(b" c\n\n", 21, 7),
    ]


def test_text_of_stacks_without_an_empty_line_is_cut() -> None:
    text = b"x" * (3 * LONGEST_PIECE + 5) + b"\n\n a\n\n"
    records = list(split_at_empty_lines([text[at : at + 100_000] for at in range(0, len(text), 100_000)]))
    assert b"".join(record.text for record in records) == text
    assert max(len(record.text) for record in records) <= LONGEST_PIECE
    assert records[-1] == Record(b" a\n\n", len(text) - 4, 3)
