# SPDX-License-Identifier: LGPL-2.1-or-later
"""swap_page_owner text: the scanner agrees with the reference parser, and takes all records of the RFC's kernel."""

import lzma
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import CARRIED
from tests.unit.formats.drawing import HOSTILE_COMMS, SWAPPED, cut_anywhere
from tests.unit.formats.fast.comparing import SWAP, assert_same, in_chunks, left_records
from tests.unit.formats.fast.test_mutations import JOBS, RUN_SIZES, SOME, mutated
from tests.unit.formats.printing import print_swap

CAPTURES = sorted(CARRIED.glob("*/*/swap_page_owner.xz"))

RECORD = b"Page allocated via pid 7, tgid 8 (dd), ts 5 ns\nSWP entry 0x400000000000002\n a+0x1/0x2\n b+0x1/0x2 [m]\n\n"

TAKEN = [
    (b"0x400000000000002", b"0x0"),
    (b"0x400000000000002", b"0x" + b"f" * 16),
    (b"pid 7", b"pid -1"),
    (b"(dd)", b"()"),
    (b" a+0x1/0x2\n b+0x1/0x2 [m]\n", b""),
]
LEFT = [
    (b"0x400000000000002", b"0x" + b"f" * 17),
    (b"0x400000000000002", b"0xg"),
    (b"0x", b""),
    (b"ts 5", b"ts " + b"9" * 19),
    (b"ts 5", b"ts " + b"9" * 21),
    (b"ts 5 ns", b"ts 5 ns (swapped)"),
    (b"pid 7, ", b""),
    (b"(dd)", b"(d\0d)"),
    (b"[m]\n\n", b"[m]\nCharged to memcg x\n\n"),
    (b"[m]\n\n", b"[m]\nPage has been migrated, last migrate reason: compaction\n\n"),
    (b"[m]\n\n", b"[m]\nwho knows\n\n"),
    (b"[m]\n\n", b"[m]\nc+0x1/0x2\n\n"),
    (b"[m]\n\n", b"[m]\n"),
    (b"[m]\n\n", b"[m]\n\n\n"),
]


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_text_of_real_kernels(path: Path) -> None:
    text = lzma.decompress(path.read_bytes())[:3_000_000]
    same = assert_same(in_chunks(text, 1 << 17), SWAP, jobs=2, run_bytes=300_007)
    assert same.table.num_rows >= text.count(b"\nSWP entry 0x") - 1
    assert len(left_records(text, SWAP)) == len(same.rejects) <= 1


@pytest.mark.parametrize(("old", "new"), TAKEN)
def test_a_record_that_the_scanner_takes(old: bytes, new: bytes) -> None:
    changed = RECORD.replace(old, new, 1)
    assert changed != RECORD
    same = assert_same(RECORD + changed + RECORD, SWAP)
    assert same.table.num_rows == 3
    assert left_records(RECORD + changed + RECORD, SWAP) == []


@pytest.mark.parametrize(("old", "new"), LEFT)
def test_a_record_that_the_scanner_leaves(old: bytes, new: bytes) -> None:
    changed = RECORD.replace(old, new, 1)
    assert changed != RECORD
    expected = assert_same(RECORD + changed + RECORD, SWAP)
    for run_bytes in (1, 100, 300):
        assert_same(in_chunks(RECORD + changed + RECORD, 50), SWAP, run_bytes=run_bytes, jobs=2, expected=expected)
    assert left_records(RECORD + changed + RECORD, SWAP) == [changed]


@pytest.mark.parametrize("comm", HOSTILE_COMMS)
def test_a_hostile_comm(comm: bytes) -> None:
    text = RECORD + RECORD.replace(b"(dd)", b"(" + comm + b")") + RECORD
    assert assert_same(text, SWAP).table.num_rows == 3


def test_every_cut() -> None:
    text = RECORD * 2
    for cut in range(len(text)):
        assert_same(text[:cut], SWAP)
        assert_same(text[cut:], SWAP, run_bytes=100)


@given(st.lists(SWAPPED, max_size=6).map(lambda drawn: b"".join(map(print_swap, drawn))), st.data(), RUN_SIZES, JOBS)
@SOME
def test_any_records(text: bytes, data: st.DataObject, run_bytes: int, jobs: int) -> None:
    assert_same(data.draw(cut_anywhere(text)), SWAP, run_bytes=run_bytes, jobs=jobs)


@given(st.just(RECORD * 3).flatmap(mutated), RUN_SIZES, JOBS)
@SOME
def test_damaged_records(text: bytes, run_bytes: int, jobs: int) -> None:
    assert_same(text, SWAP, run_bytes=run_bytes, jobs=jobs)
