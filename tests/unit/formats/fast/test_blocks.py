# SPDX-License-Identifier: LGPL-2.1-or-later
"""Blocks of text: all of it, cut between records, or where the reference parser cuts what is no record."""

from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spo_trace.formats.blocks import BLOCK_BYTES, record_blocks
from spo_trace.formats.bytescan import PADDING
from spo_trace.formats.record import LONGEST_PIECE, RECORD_START, KernelText, frame_records
from tests.unit.formats.drawing import cut_anywhere
from tests.unit.formats.fast.comparing import in_chunks

PIECES = st.sampled_from([RECORD_START, b"\n", b"\n\n", RECORD_START[:-1], b"order 0", b"\r", b"x" * 40])
RECORD = RECORD_START + b"order 0\n\n"


@given(st.lists(PIECES, max_size=40).map(b"".join), st.integers(1, 200), st.data())
@settings(deadline=None, max_examples=300)
def test_blocks_are_the_text_cut_where_records_start(text: bytes, block_bytes: int, data: st.DataObject) -> None:
    # GIVEN any text in any chunks
    chunks = data.draw(cut_anywhere(text))
    # WHEN it is cut into blocks
    blocks = list(record_blocks(chunks, block_bytes))
    # THEN together they are the text, each with its offset and with padding after it
    assert b"".join(block.padded[: block.size] for block in blocks) == text
    assert [block.offset for block in blocks] == [0, *accumulate(block.size for block in blocks)][:-1]
    assert all(block.size > 0 and block.padded[block.size :] == bytes(PADDING) for block in blocks)
    # AND each but the first begins where a record does
    starts = {record.offset for record in frame_records(KernelText("page_owner", [text]))}
    assert {block.offset for block in blocks} <= starts


@pytest.mark.parametrize("chunk", [1, 20, 21, 22, 1 << 20])
def test_blocks_are_about_as_large_as_asked_for(chunk: int) -> None:
    # GIVEN records of 28 bytes
    assert len(RECORD) == 28
    blocks = list(record_blocks(in_chunks(RECORD * 100, chunk), 280))
    sizes = [block.size for block in blocks]
    # THEN blocks have as many as begin before their tenth ends, unless all came at once
    if chunk > len(RECORD) * 100:
        assert sizes == [2772, 28]
    else:
        assert set(sizes[:-1]) <= {252, 280}
    assert sum(sizes) == 2800


def test_a_text_that_is_no_larger_than_a_block_is_one() -> None:
    assert [block.size for block in record_blocks([RECORD] * 3)] == [84]
    assert [block.size for block in record_blocks([RECORD, b"", RECORD + b"\n"], BLOCK_BYTES)] == [57]


@pytest.mark.parametrize("chunks", [[], [b""], [b"", b""]])
def test_nothing_is_no_block(chunks: list[bytes]) -> None:
    assert list(record_blocks(chunks, 1)) == []


@pytest.mark.parametrize("chunk", [1 << 16, 1_000_003, 1 << 23])
@pytest.mark.parametrize("block_bytes", [1, 1 << 20, 1 << 21])
def test_garbage_is_cut_where_the_reference_parser_cuts_it(chunk: int, block_bytes: int) -> None:
    # GIVEN a text of which more than a piece is no record
    text = RECORD + b"x" * (3 * LONGEST_PIECE + 5) + b"\n" + RECORD
    # WHEN it is cut into blocks
    blocks = list(record_blocks(in_chunks(text, chunk), block_bytes))
    # THEN where one ends, the reference parser ends what it takes for a record
    ends = set(accumulate(len(record.text) for record in frame_records(KernelText("page_owner", [text]))))
    assert {block.offset + block.size for block in blocks} <= ends
    # AND memory stays bounded, whatever the text is
    assert max(block.size for block in blocks) <= max(chunk, block_bytes, LONGEST_PIECE) + 2 * LONGEST_PIECE
