# SPDX-License-Identifier: LGPL-2.1-or-later
"""Distinct stacks, their numbers and their handles."""

import pytest

from spo_trace.formats.stack_table import Stack, StackTable, hash_texts

A = b" a+0x1/0x2\n b+0x3/0x4\n"
A_WITH_ADDRESSES = b" [<c0100000>] a+0x1/0x2\n [<c0200000>] b+0x3/0x4\n"
B = b" a+0x1/0x2\n"


def test_stacks_are_numbered_in_order_of_appearance() -> None:
    # GIVEN stacks, some of them the same in another format
    table = StackTable()
    assert [table.intern(block) for block in (A, B, A, A_WITH_ADDRESSES, b"", B, b"")] == [0, 1, 0, 0, 2, 1, 2]
    # THEN each distinct one is there once
    assert list(table) == [Stack(0, ("a+0x1/0x2", "b+0x3/0x4")), Stack(1, ("a+0x1/0x2",)), Stack(2, ())]
    assert (len(table), table[1].frames) == (3, ("a+0x1/0x2",))


def test_a_known_handle_has_its_stack() -> None:
    table = StackTable()
    table.know_handle(7, A)
    assert len(table) == 0
    assert [table.intern(B), table.intern_handle(7), table.intern(A), table.intern_handle(7)] == [0, 1, 1, 1]
    assert table[1] == Stack(1, ("a+0x1/0x2", "b+0x3/0x4"), handle=7)


def test_unknown_handles_are_distinct_stacks() -> None:
    table = StackTable()
    assert [table.intern_handle(handle) for handle in (7, 8, 7)] == [0, 1, 0]
    assert table.intern(b"") == 2
    assert [(stack.frames, stack.handle) for stack in table] == [((), 7), ((), 8), ((), None)]


def test_a_handle_printed_with_its_stack_is_known_afterwards() -> None:
    table = StackTable()
    table.set_handle(table.intern(A), 7)
    assert table.intern_handle(7) == 0
    assert table[0].handle == 7


def test_a_row_with_only_a_handle_gets_its_stack() -> None:
    table = StackTable()
    assert [table.intern_handle(7), table.intern_handle(8), table.handle_only] == [0, 1, 2]
    assert [table.intern_with_handle(A, 7), table.intern(A), table.intern_with_handle(A, 7)] == [0, 0, 0]
    assert [table.intern_with_handle(B, 9), table.intern_handle(9), table.handle_only] == [2, 2, 1]
    assert table[0] == Stack(0, ("a+0x1/0x2", "b+0x3/0x4"), handle=7)


def test_filling_in_handles_adds_no_rows() -> None:
    # GIVEN two known handles, and a table with the stack of one
    table = StackTable()
    table.know_handle(7, A_WITH_ADDRESSES)
    table.know_handle(8, B)
    table.intern(A)
    # WHEN handles are filled in
    table.fill_handles()
    # THEN that stack has its handle, and the other is not added
    assert list(table) == [Stack(0, ("a+0x1/0x2", "b+0x3/0x4"), handle=7)]


def test_hashes_are_the_same_everywhere() -> None:
    assert hash_texts(("a+0x1/0x2", "b+0x3/0x4")) == "5928fecc17cfe93b"
    assert hash_texts(()) == "e4a6a0577479b2b4"


@pytest.mark.parametrize(
    ("one", "other"), [(("ab", "c"), ("a", "bc")), (("a", "b"), ("b", "a")), (("a",), ("a", "")), (("é",), ("e",))]
)
def test_distinct_stacks_have_distinct_hashes(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert hash_texts(one) != hash_texts(other)
