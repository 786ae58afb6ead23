# SPDX-License-Identifier: LGPL-2.1-or-later
"""Both parsers agree on any text, in any chunks and runs, with any number of jobs."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.formats.drawing import COMMS, PAGES, cut_anywhere
from tests.unit.formats.fast.comparing import assert_same, left_records
from tests.unit.formats.printing import PROFILES, Values, print_page
from tests.unit.formats.reading import HEADER
from tests.unit.formats.test_page_owner_vendors import RECORDS

SOME = settings(deadline=None, max_examples=150)
SCANNED = st.sampled_from(["5.18", "6.6", "7.2"])
RUN_SIZES = st.sampled_from([1, 2, 40, 300, 1000, 1 << 22])
JOBS = st.integers(1, 3)

_JUNK_PIECES = (
    b"\n", b"\n\n", b"\r\n", b"\0", b" ", b"(", b")", b"), ts 1 ns", b" (swapped)", b"0x", b"-", b"\xff", b"9" * 19,
    b"f" * 16, b"Page all", b"Page allocated via ", b"\nPage allocated via ", b"Page allocated by module x\n",
    b"handle: 7\n", b"PID 5\n", b"Slab cache page\n", b"Charged to memcg a b\n", b" a+0x1/0x2\n", b"PFN 0x1 type ",
)  # fmt: skip
_JUNK = st.sampled_from(_JUNK_PIECES) | st.binary(max_size=6)


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """Draw a record of some kernel, mostly one that the scanner takes."""
    name = draw(SCANNED | st.sampled_from(sorted(PROFILES)))
    return print_page(PROFILES[name], draw(PAGES))


@st.composite
def mutated(draw: st.DrawFn, text: bytes) -> bytes:
    """Draw `text` with some bytes deleted, inserted, overwritten, repeated or flipped."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        length = draw(st.integers(0, 12))
        gone = text[start : start + length]
        put = draw(_JUNK | st.just(b"") | st.just(gone * 2) | st.just(bytes(byte ^ 0x20 for byte in gone)))
        text = text[:start] + put + text[start + length :]
    return text


@given(st.lists(records(), max_size=6), st.data(), RUN_SIZES, JOBS)
@SOME
def test_records_of_all_kernels(drawn: list[bytes], data: st.DataObject, run_bytes: int, jobs: int) -> None:
    text = b"".join(drawn)
    assert_same(data.draw(cut_anywhere(text)), run_bytes=run_bytes, jobs=jobs)


@given(st.lists(st.tuples(SCANNED, PAGES), min_size=1, max_size=4))
@SOME
def test_the_scanner_takes_all_values_that_a_kernel_can_print(drawn: Sequence[tuple[str, Values]]) -> None:
    # GIVEN records since 5.18 whose numbers are within the scanner's limits, without a module line
    small = {"ts_nsec": 10**18, "free_ts_nsec": 10**18, "pfn": 10**18, "page_flags": 1 << 60}
    texts = []
    for name, page in drawn:
        limited = {key: page[key] % limit for key, limit in small.items()}
        texts.append(print_page(PROFILES[name], {**page, **limited, "module_name": None}))
    # THEN it takes all of them
    assert left_records(b"".join(texts)) == []
    assert assert_same(b"".join(texts)).table.num_rows == len(drawn)


@given(st.lists(records(), min_size=1, max_size=4).map(b"".join).flatmap(mutated), RUN_SIZES, JOBS)
@settings(deadline=None, max_examples=500)
def test_damaged_records(text: bytes, run_bytes: int, jobs: int) -> None:
    assert_same(text, run_bytes=run_bytes, jobs=jobs)


@given(st.sampled_from([text for text, _ in RECORDS.values()]).flatmap(mutated), RUN_SIZES)
@SOME
def test_damaged_records_of_vendors(text: bytes, run_bytes: int) -> None:
    assert_same(HEADER + b" a+0x1/0x2\n\n" + text, run_bytes=run_bytes)


@given(st.lists(st.tuples(COMMS, _JUNK, st.binary(max_size=30)), max_size=5), RUN_SIZES, JOBS)
@SOME
def test_hostile_names_and_tails(drawn: list[tuple[bytes, bytes, bytes]], run_bytes: int, jobs: int) -> None:
    texts = []
    for comm, tail, memcg in drawn:
        header = HEADER.replace(b"(dd)", b"(" + comm + b")")
        texts.append(header + b" a+0x1/0x2\n" + tail + b"Charged to memcg " + memcg + b"\n\n")
    assert_same(b"".join(texts), run_bytes=run_bytes, jobs=jobs)


@given(st.lists(_JUNK | st.sampled_from(HEADER.splitlines(keepends=True)), max_size=40), RUN_SIZES, JOBS)
@SOME
def test_pieces_of_records_in_any_order(pieces: list[bytes], run_bytes: int, jobs: int) -> None:
    assert_same(pieces, run_bytes=run_bytes, jobs=jobs)


@pytest.mark.parametrize("digit", [b"0", b"1", b"9", b"f"])
def test_numbers_of_any_length(digit: bytes) -> None:
    # GIVEN numbers of 1 to 30 digits in each place; the scanner reads some of them eight or sixteen at a time
    record = (
        b"Page allocated via order 0, mask 0x1(A), pid 2, tgid 3 (c), ts 4 ns, free_ts 5 ns\n"
        b"PFN 0x6 type Movable Block 7 type Movable Flags 0x8(B)\n f+0x1/0x2\n\n"
    )
    first_lines = record.partition(b"\n ")[0]
    places = [match.span() for match in re.finditer(rb"(?<=0x)[0-9a-f]+|\b\d+\b", first_lines)]
    assert len(places) == 9
    texts = [
        record[:start] + digit * length + record[end:] for start, end in places for length in (*range(1, 20), 24, 30)
    ]
    # THEN both parsers agree
    assert_same(b"".join(texts))
