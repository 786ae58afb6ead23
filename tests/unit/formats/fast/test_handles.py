# SPDX-License-Identifier: LGPL-2.1-or-later
"""Handles in place of stacks, or after them: the scanner takes them, and agrees with the reference parser."""

import random
from collections.abc import Sequence

import pytest

from spo_trace.formats.fast import batches as fast_batches
from spo_trace.formats.fast.text_runs import stream_runs
from spo_trace.formats.parser_choice import PAGES, SWAP
from spo_trace.formats.record import Reject
from spo_trace.formats.stack_table import StackTable
from spo_trace.native import library
from tests.support import ANON, FS, entry, page
from tests.unit.formats.fast.comparing import assert_same, left_records, read

# Long stacks, as is usual.
STACKS: list[Sequence[bytes]] = [(b"f%d+0x1/0x2" % n, *ANON, *FS, *ANON, b"h+0x5/0x6 [m]") for n in range(50)]
MIGRATED = b"Page has been migrated, last migrate reason: compaction\n"


def handle_line(n: int) -> bytes:
    """Return the line of the handle of stack `n`."""
    return b"handle: %d\n" % (4_000_000_000 + n)


def in_mode(mode: str, count: int) -> bytes:
    """Return `count` records in a mode of the kernel's print_mode series."""
    records = []
    for n in range(count):
        number = n * 7 % len(STACKS)
        tail = MIGRATED if n % 3 == 0 else b""
        handle = b"" if mode == "stack" else handle_line(number)
        stack = () if mode == "handle" else STACKS[number]
        records.append(page(n + 1, comm=b"c%d" % (n % 9), pid=n, stack=stack, tail=handle + tail))
    return b"".join(records)


def lines_of(stack: Sequence[bytes]) -> bytes:
    """Return the lines of a stack."""
    return b"".join(b" %b\n" % frame for frame in stack)


@pytest.mark.parametrize("mode", ["handle", "stack_handle"])
def test_the_scanner_leaves_no_record_with_a_handle(mode: str) -> None:
    text = in_mode(mode, 500)
    same = assert_same(text)
    assert same.table.num_rows == 500
    assert (len(same.stacks), same.rejects) == (len(STACKS), [])
    assert left_records(text) == []


def test_the_scanner_leaves_no_swap_entry_with_a_handle() -> None:
    text = b"".join(entry(n + 1, stack=())[:-1] + handle_line(n % 5) + b"\n" for n in range(100))
    same = assert_same(text, SWAP)
    assert (same.table.num_rows, len(same.stacks), same.rejects) == (100, 5, [])
    assert left_records(text, SWAP) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_handles_of_known_stacks_give_the_same_table_as_the_stacks(jobs: int) -> None:
    compiled = library.load()
    assert compiled is not None
    # GIVEN the kernel's list of stacks
    tables, frames = [], []
    for mode in ("stack", "handle"):
        stacks, rejects = StackTable(), list[Reject]()
        for number, stack in enumerate(STACKS):
            stacks.know_handle(4_000_000_000 + number, lines_of(stack))
        # WHEN the same pages are read with stacks, and with handles
        runs = stream_runs([in_mode(mode, 300)], 9000)
        batches = fast_batches.fast_batches(compiled, PAGES, runs, stacks, rejects.append, jobs=jobs)
        tables.append(read(batches, PAGES, stacks, rejects).table)
        stacks.fill_handles()
        frames.append([(stack.frames, stack.handle) for stack in stacks])
    # THEN the rows and the stacks are the same
    assert tables[0].equals(tables[1])
    assert frames[0] == frames[1]


A, B, OTHER_A = b" a+0x1/0x2\n", b" b+0x1/0x2\n", b" [<c0100000>] a+0x1/0x2\n"


@pytest.mark.parametrize("jobs", [1, 3])
def test_contradicting_handles(jobs: int) -> None:
    # GIVEN records in which a handle has several stacks, a stack several handles, and either can be missing
    stacks = [A, B, OTHER_A, b"", b"junk\n"]
    handles = [b"", b"handle: 1\n", b"handle: 2\n", b"handle: 3\n"]
    choose = random.Random(5)
    bare = page(stack=())[:-1]
    for _ in range(40):
        text = b"".join(bare + choose.choice(stacks) + choose.choice(handles) + b"\n" for _ in range(30))
        # THEN both parsers number the stacks the same way
        for run_bytes in (1, 1000):
            assert_same(text, jobs=jobs, run_bytes=run_bytes)
