# SPDX-License-Identifier: LGPL-2.1-or-later
"""Delimited records: whatever is in one, the next one begins where the kernel began it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.formats.fast.comparing import SWAP, assert_same
from tests.unit.formats.fast.test_equivalence import LEFT, RECORD, TAKEN
from tests.unit.formats.fast.test_mutations import JOBS, RUN_SIZES, SOME, mutated, records
from tests.unit.formats.fast.test_swap_entries import RECORD as ENTRY


@pytest.mark.parametrize(("old", "new"), [*TAKEN, *LEFT])
def test_records_out_of_the_ordinary(old: bytes, new: bytes) -> None:
    # GIVEN records of which some are damaged, or have no end
    changed = RECORD.replace(old, new, 1)
    given = [RECORD, changed, changed, RECORD, changed]
    # WHEN both parsers read them, THEN no record takes anything of the next
    expected = assert_same(given, delimited=True)
    assert expected.table.num_rows >= 2
    for jobs, run_bytes in ((2, 1), (1, 700)):
        assert_same(given, delimited=True, jobs=jobs, run_bytes=run_bytes, expected=expected)


@pytest.mark.parametrize("cut", range(0, len(RECORD), 3))
def test_a_record_in_two_reads(cut: int) -> None:
    assert_same([RECORD, RECORD[:cut] or b"\n", RECORD[cut:], RECORD], delimited=True)
    assert_same([RECORD + RECORD[:cut], RECORD[cut:] + RECORD], delimited=True)


@given(st.lists(st.one_of(records(), records().flatmap(mutated)).filter(bool), max_size=6), RUN_SIZES, JOBS)
@SOME
def test_any_records(given: list[bytes], run_bytes: int, jobs: int) -> None:
    assert_same(given, delimited=True, run_bytes=run_bytes, jobs=jobs)


@given(st.lists(st.just(ENTRY) | st.just(ENTRY).flatmap(mutated).filter(bool), max_size=6), RUN_SIZES, JOBS)
@SOME
def test_any_entries(given: list[bytes], run_bytes: int, jobs: int) -> None:
    assert_same(given, SWAP, delimited=True, run_bytes=run_bytes, jobs=jobs)
