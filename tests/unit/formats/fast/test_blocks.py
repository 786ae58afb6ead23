# SPDX-License-Identifier: LGPL-2.1-or-later
"""Blocks of text: all of it, cut between records, or where the reference parser cuts what is no record."""

import os
import tempfile
from collections.abc import Iterable
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spo_trace.formats.fast.blocks import BLOCK_BYTES, Block, Buffer, Filled, file_blocks, framed_blocks, stream_blocks
from spo_trace.formats.record import LONGEST_PIECE, RECORD_START, KernelText, frame_records, gathered
from tests.unit.formats.drawing import cut_anywhere
from tests.unit.formats.fast.comparing import in_chunks

PIECES = st.sampled_from([RECORD_START, b"\n", b"\n\n", RECORD_START[:-1], b"order 0", b"\r", b"x" * 40])
RECORD = RECORD_START + b"order 0\n\n"


def content(block: Block) -> bytes:
    """Return a block's text."""
    buffer = Buffer()
    return bytes(buffer.padded(block.fill(buffer).size))


def sizes_of(blocks: Iterable[Block]) -> list[int]:
    """Return how much text each block has."""
    return [len(content(block)) for block in blocks]


def blocks_of_file(text: bytes, block_bytes: int) -> list[Block]:
    """Return the blocks of a plain file, and close it when they were read."""
    with tempfile.TemporaryFile() as file:
        file.write(text)
        file.flush()
        kernel_text = KernelText("page_owner", ())
        blocks = []
        for block in file_blocks(kernel_text, file, block_bytes):
            blocks.append(block._replace(fill=partial(_put, content(block))))
        assert kernel_text.problem is None
        return blocks


def _put(whole: bytes, buffer: Buffer) -> Filled:
    buffer.room(len(whole))[: len(whole)] = whole
    return Filled(len(whole))


def check(blocks: list[Block], text: bytes) -> None:
    """Assert that blocks are a text, cut where records start."""
    assert b"".join(map(content, blocks)) == text
    sizes = sizes_of(blocks)
    assert [block.offset for block in blocks] == [0, *accumulate(sizes)][:-1]
    assert all(size > 0 for size in sizes)
    starts = {record.offset for record in frame_records(KernelText("page_owner", [text]))}
    assert {block.offset for block in blocks} <= starts


@given(st.lists(PIECES, max_size=40).map(b"".join), st.integers(1, 200), st.data())
@settings(deadline=None, max_examples=300)
def test_blocks_are_the_text_cut_where_records_start(text: bytes, block_bytes: int, data: st.DataObject) -> None:
    # GIVEN any text, in any chunks or in a file, WHEN it is cut into blocks
    check(list(stream_blocks(data.draw(cut_anywhere(text)), block_bytes)), text)
    check(blocks_of_file(text, block_bytes), text)


@given(st.lists(PIECES, max_size=40), st.integers(1, 200))
@settings(deadline=None)
def test_framed_records_keep_their_ends(records: list[bytes], block_bytes: int) -> None:
    # WHEN records that read(2) framed are put into blocks
    blocks = list(framed_blocks(gathered(records, block_bytes)))
    # THEN they come out of them as they went in
    found = []
    for block in blocks:
        ends = block.fill(Buffer()).ends
        assert ends is not None
        whole = content(block)
        found += [whole[start:end] for start, end in pairwise([0, *ends.tolist()])]
    assert list(filter(None, found)) == list(filter(None, records))
    assert [block.offset for block in blocks] == [0, *accumulate(sizes_of(blocks))][:-1]


@pytest.mark.parametrize("chunk", [1, 20, 21, 22, 1 << 20])
def test_blocks_are_about_as_large_as_asked_for(chunk: int) -> None:
    # GIVEN records of 28 bytes
    assert len(RECORD) == 28
    blocks = list(stream_blocks(in_chunks(RECORD * 100, chunk), 280))
    sizes = sizes_of(blocks)
    # THEN blocks have as many as begin before their tenth ends, unless all came at once
    if chunk > len(RECORD) * 100:
        assert sizes == [2772, 28]
    else:
        assert set(sizes[:-1]) <= {252, 280}
    assert sum(sizes) == 2800


def test_a_text_that_is_no_larger_than_a_block_is_one() -> None:
    assert sizes_of(stream_blocks([RECORD] * 3)) == [84]
    assert sizes_of(stream_blocks([RECORD, b"", RECORD + b"\n"], BLOCK_BYTES)) == [57]


@pytest.mark.parametrize("chunks", [[], [b""], [b"", b""]])
def test_nothing_is_no_block(chunks: list[bytes]) -> None:
    assert list(stream_blocks(chunks, 1)) == []


@pytest.mark.parametrize("chunk", [1 << 16, 1_000_003, 1 << 23])
@pytest.mark.parametrize("block_bytes", [1, 1 << 20, 1 << 21])
def test_garbage_is_cut_where_the_reference_parser_cuts_it(chunk: int, block_bytes: int) -> None:
    # GIVEN a text of which more than a piece is no record
    text = RECORD + b"x" * (3 * LONGEST_PIECE + 5) + b"\n" + RECORD
    # WHEN it is cut into blocks
    for blocks in (list(stream_blocks(in_chunks(text, chunk), block_bytes)), blocks_of_file(text, block_bytes)):
        # THEN where one ends, the reference parser ends what it takes for a record
        ends = set(accumulate(len(record.text) for record in frame_records(KernelText("page_owner", [text]))))
        sizes = sizes_of(blocks)
        assert set(accumulate(sizes)) <= ends
        # AND memory stays bounded, whatever the text is
        assert max(sizes) <= max(chunk, block_bytes, LONGEST_PIECE) + 2 * LONGEST_PIECE


def test_a_file_that_became_shorter_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    # GIVEN blocks of a file that is cut before they are filled
    path = tmp_path / "page_owner"
    path.write_bytes(RECORD * 100)
    filled: list[bytes] = []
    with path.open("rb") as file:
        for block in file_blocks(KernelText("page_owner", ()), file, 280):
            if not filled:
                os.truncate(path, 300)
            filled.append(content(block))
    # THEN what is left of it is there
    assert b"".join(filled) == (RECORD * 11)[:300]
