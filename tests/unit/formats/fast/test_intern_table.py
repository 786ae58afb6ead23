# SPDX-License-Identifier: LGPL-2.1-or-later
"""Strings, each kept once, whatever their hashes are."""

from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spo_trace.formats import intern_table
from spo_trace.formats.bytescan import PADDING, hash_bytes
from spo_trace.formats.intern_table import FULL, NEWLINES, InternTable, intern
from tests.unit.formats.fast.comparing import assert_same, left_records
from tests.unit.formats.reading import HEADER

COMM = b"a-thread's-name"
STACK = b" a+0x1/0x2 [mod]bcdefghijklmnopqrstuvwxyz+0x1/0x2\n c+0x1/0x2\n"


def hash_of(text: bytes) -> int:
    buffer = np.frombuffer(text + bytes(PADDING), np.uint8)
    return int(hash_bytes(buffer.ctypes.data, len(text)))


def put(table: InternTable, text: bytes, kind: int = 0) -> int:
    """Intern a string, making room as often as it takes."""
    buffer = np.frombuffer(text + b"\xaa" * PADDING, np.uint8)
    while True:
        t = table
        arena, room = t.arena.ctypes.data, len(t.arena)
        number = intern(kind, buffer.ctypes.data, len(text), t.slots, t.hashes, t.spans, arena, room, t.used)
        if number != FULL:
            return int(number)
        table.grow()


def strings(table: InternTable) -> list[tuple[int, bytes]]:
    return [table[number] for number in range(len(table))]


# The steps of hash_bytes() can be undone: words can be found that lead to the same hash another way.
_MODULUS = 1 << 64
_MIX = 0x9E3779B97F4A7C15


def _folded(value: int) -> int:
    return value ^ value >> 32


def _after(state: int, word: bytes) -> int:
    return _folded((state ^ int.from_bytes(word, "little")) * _MIX % _MODULUS)


def colliding(text: bytes, first: int, second: int, count: int) -> list[bytes]:
    """Return strings with the length and the hash of `text` that differ in eight bytes at `first` and at `second`."""
    state = len(text) * _MIX % _MODULUS
    for at in range(0, first, 16):
        state = _after(state, text[at : at + 8])
    old = text[second : second + 8]

    def with_second(new: bytes) -> bytes:
        difference = int.from_bytes(old, "little") ^ int.from_bytes(new, "little")
        wanted = _after(state, text[first : first + 8]) ^ difference
        solved = _folded(wanted) * pow(_MIX, -1, _MODULUS) % _MODULUS ^ state
        start = text[:first] + solved.to_bytes(8, "little")
        return start + text[first + 8 : second] + new + text[second + len(new) :]

    found = (with_second(b"%0*d" % (len(old), number)) for number in range(100 * count))
    # No NUL, which no comm has, and no more newlines than there were.
    return list(islice((t for t in found if b"\0" not in t and t.count(b"\n") == text.count(b"\n")), count))


COMMS = colliding(COMM, 0, 8, 20)
STACKS = colliding(STACK, 16, 32, 20)


def test_equal_strings_have_one_number() -> None:
    table = InternTable()
    numbers = [put(table, text) for text in (b"", b"a", b"a\n\nb", b"a", b"", b"a\n\n")]
    assert numbers == [0, 1, 2, 1, 0, 3]
    assert strings(table) == [(0, b""), (0, b"a"), (0, b"a\n\nb"), (0, b"a\n\n")]
    assert table.spans[:4, NEWLINES].tolist() == [0, 0, 2, 2]


def test_a_string_of_another_kind_is_another_one() -> None:
    table = InternTable()
    assert [put(table, b"x", kind) for kind in (3, 1, 3, 1)] == [0, 1, 0, 1]
    assert strings(table) == [(3, b"x"), (1, b"x")]


@pytest.mark.parametrize("texts", [COMMS, STACKS], ids=["comms", "stacks"])
def test_strings_with_the_same_hash_stay_apart(texts: list[bytes]) -> None:
    # GIVEN strings whose 64 bits of hash are the same
    assert len(set(texts)) == 20
    assert len({len(text) for text in texts}) == 1
    assert len({hash_of(text) for text in texts}) == 1
    # WHEN they are interned, twice
    table = InternTable()
    numbers = [put(table, text) for text in texts * 2]
    # THEN each is itself
    assert numbers == [*range(20)] * 2
    assert strings(table) == [(0, text) for text in texts]


def test_a_hash_that_differs_by_the_difference_of_kinds_merges_nothing() -> None:
    # GIVEN a table in which all hashes and lengths were made equal
    table = InternTable()
    for kind in range(4):
        put(table, COMMS[kind], kind)
    table.hashes[:4] = table.hashes[0]
    table.slots[:] = -1
    intern_table._fill_slots(table.slots, table.hashes, 4)
    # THEN the first of kind 0 is found, and one with the bytes of another kind is new
    assert put(table, COMMS[0], 0) == 0
    assert put(table, COMMS[1], 0) == 4
    assert table[4] == (0, COMMS[1])


def test_colliding_names_and_stacks_in_a_text() -> None:
    # GIVEN records of threads with such names, with such stacks
    text = b"".join(
        HEADER.replace(b"(dd)", b"(" + comm + b")") + stack + b"\n"
        for comm, stack in zip(COMMS, reversed(STACKS), strict=True)
    )
    # WHEN both parsers read them
    same = assert_same(text * 2)
    # THEN none is taken for another
    assert len(same.stacks) == 20
    assert len(same.table["comm"].unique()) == 20
    assert left_records(text) == []


@pytest.mark.parametrize("room", [1, 2, 64])
@given(st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=40) | st.sampled_from(COMMS)), max_size=60))
@settings(deadline=None, max_examples=60)
def test_it_grows_as_it_has_to(room: int, given_strings: list[tuple[int, bytes]]) -> None:
    # GIVEN a table with little room
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intern_table, "_STRINGS", room)
        patch.setattr(intern_table, "_ARENA", room)
        table = InternTable()
    # WHEN it gets strings, some of them again
    numbers = [put(table, text, kind) for kind, text in given_strings * 2]
    # THEN they are numbered in the order in which they came
    distinct = list(dict.fromkeys(given_strings))
    assert numbers == [distinct.index(string) for string in given_strings] * 2
    assert strings(table) == distinct
    assert all(table.spans[: len(table), NEWLINES] == [text.count(b"\n") for _, text in distinct])


def test_a_full_table_says_so_and_stays_as_it_was() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intern_table, "_ARENA", 4)
        table = InternTable()
    assert put(table, b"1234") == 0
    # GIVEN room for no further byte
    t, text = table, np.zeros(100, np.uint8)
    arena, room = t.arena.ctypes.data, len(t.arena)
    for _ in range(2):
        # WHEN one is to go in
        number = intern(0, text.ctypes.data, 1, t.slots, t.hashes, t.spans, arena, room, t.used)
        # THEN it does not
        assert (number, t.used.tolist()) == (FULL, [1, 4])
    assert strings(table) == [(0, b"1234")]
