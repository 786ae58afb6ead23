# SPDX-License-Identifier: LGPL-2.1-or-later
"""All that a kernel can print is read back: the same columns, delimited or not, wherever chunks end."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.formats.drawing import PAGES, SWAPPED, cut_anywhere
from tests.unit.formats.printing import PROFILES, Values, expected_page, expected_swap, print_page, print_swap
from tests.unit.formats.reading import read_pages, read_swap

NAMES = sorted(PROFILES)
FEW = settings(deadline=None, max_examples=40)
# Frames of 2.6.11-mm and gdb have a decimal offset; 2.6.11-mm printed a stack right after the first line.
DECIMAL = {"frames": ("__alloc_pages+28", "do_page_fault+1184"), "module_name": None}


def of(name: str, values: Values) -> Values:
    return {**values, **DECIMAL} if name in ("2.6.11-mm", "gdb") else values


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@FEW
def test_each_profile_delimited_and_not(name: str, data: st.DataObject) -> None:
    # GIVEN some pages, printed by one kind of kernel
    profile = PROFILES[name]
    pages = [of(name, page) for page in data.draw(st.lists(PAGES, min_size=1, max_size=3))]
    records = [print_page(profile, page) for page in pages]
    rows = [expected_page(profile, page) for page in pages]
    # WHEN they are read as delimited records, and as a file
    delimited, cut = read_pages(records, delimited=True), read_pages(b"".join(records))
    # THEN all columns are the same, and nothing is rejected
    assert delimited.rows == rows
    assert delimited.rejects == []
    assert cut.rows == rows
    assert cut.rejects == []


@given(st.lists(st.tuples(st.sampled_from(NAMES), PAGES), max_size=6))
@FEW
def test_profiles_mixed_in_one_text(mixed: list[tuple[str, Values]]) -> None:
    text = b"".join(print_page(PROFILES[name], of(name, page)) for name, page in mixed)
    parsed = read_pages(text)
    assert parsed.rows == [expected_page(PROFILES[name], of(name, page)) for name, page in mixed]
    assert parsed.rejects == []


@given(st.lists(SWAPPED, min_size=1, max_size=6))
@FEW
def test_swap_entries_delimited_and_not(entries: list[Values]) -> None:
    records = [print_swap(entry) for entry in entries]
    rows = [expected_swap(entry) for entry in entries]
    for parsed in (read_swap(records, delimited=True), read_swap(b"".join(records))):
        assert parsed.rows == rows
        assert parsed.rejects == []


@given(st.lists(PAGES, min_size=1, max_size=4), st.data())
@FEW
def test_chunks_may_end_anywhere(pages: list[Values], data: st.DataObject) -> None:
    # GIVEN records among garbage
    pieces = [print_page(PROFILES["7.2"], page) + data.draw(st.sampled_from([b"", b"\n", b"junk\n"])) for page in pages]
    text = data.draw(st.sampled_from([b"", b"$ cat page_owner\n"])) + b"".join(pieces)
    # WHEN the text comes whole, and in any chunks
    whole, cut = read_pages(text), read_pages(data.draw(cut_anywhere(text)))
    # THEN rows, rejects and stacks are the same
    assert cut.rows == whole.rows
    assert cut.rejects == whole.rejects
    assert list(cut.stacks) == list(whole.stacks)
    assert len(whole.rows) == len(pages)


@given(st.lists(PAGES, min_size=1, max_size=3))
@FEW
def test_stacks_are_numbered_in_order_of_first_appearance(pages: list[Values]) -> None:
    parsed = read_pages(b"".join(print_page(PROFILES["7.2"], page) for page in pages))
    assert [stack.frames for stack in parsed.stacks] == list(dict.fromkeys(page["frames"] for page in pages))


@given(st.binary(max_size=400))
@FEW
def test_any_bytes_are_read_without_an_exception(garbage: bytes) -> None:
    for parsed in (read_pages(garbage), read_swap(garbage), read_pages([garbage], delimited=True)):
        assert parsed.rows == []
        assert b"".join(reject.text for reject in parsed.rejects).strip() == garbage.strip()


@given(PAGES, st.data())
@FEW
def test_a_damaged_record_does_not_change_others(page: Values, data: st.DataObject) -> None:
    # GIVEN three records, the second with some bytes overwritten
    record = print_page(PROFILES["7.2"], page)
    start = data.draw(st.integers(0, len(record) - 1))
    junk = data.draw(st.binary(min_size=1, max_size=8))
    damaged = record[:start] + junk + record[start + len(junk) :]
    # WHEN they are read as delimited records
    parsed = read_pages([record, damaged, record], delimited=True)
    # THEN the first and the last are complete
    row = expected_page(PROFILES["7.2"], page)
    assert [parsed.rows[0], parsed.rows[-1]] == [row, row]
    assert len(parsed.rows) == 3 or len(parsed.lost) == 1
