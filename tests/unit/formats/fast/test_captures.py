# SPDX-License-Identifier: LGPL-2.1-or-later
"""Captures of real kernels: the scanner agrees with the reference parser, and leaves no record to it."""

import hashlib
import io
import json
import lzma
from functools import cache
from pathlib import Path

import pyarrow.csv as csv
import pytest

from tests.support import CARRIED
from tests.unit.formats.fast.comparing import (
    PAGES,
    SWAP,
    assert_equal,
    assert_same,
    in_chunks,
    left_records,
    read_by_reference,
    read_by_scanner,
    read_file_by_scanner,
)

CAPTURES = sorted(CARRIED.glob("*/*/page_owner.xz"))
SMALL = [path for path in CAPTURES if path.stat().st_size < 60_000]
SLICE = 2_500_000
# A few records, with a partial one at either end.
MIDDLE = slice(1_000_001, 1_060_001)


# Rows, rejects and a hash of rows and stacks, recorded before unknown lines were accepted anywhere.
READ = json.loads((CARRIED.parent / "captures_read.json").read_bytes())


def name(path: Path) -> str:
    return "/".join(path.parts[-3:-1])


@cache
def text_of(path: Path) -> bytes:
    return lzma.decompress(path.read_bytes())


@pytest.mark.parametrize("path", CAPTURES, ids=name)
def test_first_and_last_of_a_capture(path: Path) -> None:
    # GIVEN the start and the end of a capture, cut anywhere
    text = lzma.decompress(path.read_bytes())
    for part in (text[:SLICE], text[-SLICE:]):
        # WHEN both parsers read it
        same = assert_same(in_chunks(part, 1 << 17), jobs=2, run_bytes=1_000_003)
        # THEN they agree, and only the cut records are lost
        assert same.table.num_rows > SLICE // 1000
        assert len(same.rejects) <= 1
        # AND the scanner left nothing else to the reference parser
        assert len(left_records(part)) == len(same.rejects)


@pytest.mark.parametrize("path", SMALL, ids=name)
@pytest.mark.parametrize(("jobs", "run_bytes"), [(1, 4_099), (2, 30_011), (3, 1 << 22)])
def test_whole_captures_in_blocks_of_odd_sizes(path: Path, jobs: int, run_bytes: int) -> None:
    # GIVEN a whole capture in chunks
    text = text_of(path)
    # WHEN both parsers read it
    same = assert_same(in_chunks(text, 65_537), jobs=jobs, run_bytes=run_bytes)
    # THEN they agree, and no record is missing
    assert same.table.num_rows == text.count(b"\nPage allocated via ") + 1
    assert same.rejected == []


@pytest.mark.parametrize(("jobs", "run_bytes"), [(1, 4_099), (2, 30_011), (3, 1 << 22)])
def test_whole_files_in_blocks_of_odd_sizes(jobs: int, run_bytes: int) -> None:
    # GIVEN a capture as a plain file, WHEN threads read parts of it, THEN the results are those of a single read
    text = text_of(SMALL[0])
    scanned = read_file_by_scanner(text, jobs=jobs, run_bytes=run_bytes)
    assert_equal(scanned, read_by_reference([text]))


@pytest.mark.parametrize("jobs", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 19, 20, 21, 500, 4096])
def test_tiny_blocks_and_chunks(size: int, jobs: int) -> None:
    # GIVEN some records from the middle of a capture
    text = text_of(SMALL[0])[MIDDLE]
    expected = read_by_reference([text])
    assert expected.table.num_rows > 50
    # WHEN they come in runs, and in chunks, of a few bytes
    assert_same(in_chunks(text, 4096), jobs=jobs, run_bytes=size, expected=expected)
    assert_same(in_chunks(text, size), jobs=jobs, run_bytes=3 * size, expected=expected)


@pytest.mark.parametrize("given", READ)
def test_a_real_capture_is_read_as_before(given: str) -> None:
    # GIVEN text of a real kernel
    path = CARRIED / f"{given}.xz"
    of = SWAP if path.name.startswith("swap") else PAGES
    # WHEN it is read
    read = read_by_scanner([text_of(path)], of)
    # THEN rows, stacks and rejects are those of the previous release
    sink = io.BytesIO()
    # pyarrow 18 repeats the header before each chunk.
    csv.write_csv(read.table.combine_chunks(), sink)
    digest = hashlib.blake2b(sink.getvalue(), digest_size=16)
    for stack in read.stacks:
        digest.update("\n".join(stack.frames).encode() + b"\n\n")
    assert [read.table.num_rows, len(read.rejects), digest.hexdigest()] == READ[given]


def test_every_capture_has_its_hash() -> None:
    there = {str(path.relative_to(CARRIED)).removesuffix(".xz") for path in CARRIED.glob("*/*/*page_owner.xz")}
    assert set(READ) == there
