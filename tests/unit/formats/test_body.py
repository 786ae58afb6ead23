# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lines after the PFN line: stack, module, handle, migrate, memcg and unknown lines, the empty line."""

from typing import Any

import pytest

from spo_trace.formats.reasons import Reason
from spo_trace.formats.stack_table import StackTable
from tests.unit.formats.reading import HEADER, read_pages

STACK = b" a+0x1/0x2\n b+0x3/0x4\n"
REASONS = (
    "compaction memory_failure memory_hotplug syscall_or_cpuset mempolicy_mbind numa_misplaced cma contig_range"
    " longterm_pin demotion damon"
)
UNKNOWN = "line not understood"


def row_of(lines: bytes) -> dict[str, Any]:
    parsed = read_pages(HEADER + STACK + lines + b"\n")
    assert parsed.rejects == []
    assert parsed.rows[0]["frames"] == ("a+0x1/0x2", "b+0x3/0x4")
    return parsed.rows[0]


@pytest.mark.parametrize(
    ("line", "memcg", "offline", "objcg"),
    [
        (b"Charged to memcg system.slice", "system.slice", False, False),
        (b"Charged (via objcg) to memcg system.slice", "system.slice", False, True),
        (b"Charged to offline memcg system.slice", "system.slice", True, False),
        (b"Charged (via objcg) to offline memcg system.slice", "system.slice", True, True),
        (b"Charged to memcg /", "/", False, False),
        (b"Charged to memcg ", "", False, False),
        (b"Charged to memcg offline memcg x", "offline memcg x", False, False),
        (b"Charged to offline memcg memcg x", "memcg x", True, False),
        (b"Charged to memcg a b), c", "a b), c", False, False),
        (b"Charged to memcg a  b ", "a  b ", False, False),
        (b"Charged to memcg x (via objcg) to memcg y", "x (via objcg) to memcg y", False, False),
        (b"Charged to memcg \x1b[31m\xff\\n", "\\033[31m\\377\\\\n", False, False),
        (b"Charged to memcg a\rb\x0b\xc2\x85\xe2\x80\xa8", "a\\015b\\013\\302\\205\\342\\200\\250", False, False),
        (b"Charged to memcg " + "größe".encode() + b"x" * 73, "größe" + "x" * 73, False, False),
    ],
)  # fmt: skip
def test_charged(line: bytes, memcg: str, offline: bool, objcg: bool) -> None:
    row = row_of(line + b"\n")
    assert (row["memcg"], row["memcg_offline"], row["memcg_objcg"], row["slab"]) == (memcg, offline, objcg, False)


def test_slab_alone_and_charged() -> None:
    assert (row_of(b"Slab cache page\n")["slab"], row_of(b"Slab cache page\n")["memcg"]) == (True, None)
    row = row_of(b"Slab cache page\nCharged (via objcg) to memcg m\n")
    assert (row["slab"], row["memcg"], row["memcg_objcg"]) == (True, "m", True)


@pytest.mark.parametrize(
    "reason",
    REASONS.split(),
)
def test_migrate_reasons(reason: str) -> None:
    row = row_of(f"Page has been migrated, last migrate reason: {reason}\nCharged to memcg m\n".encode())
    assert (row["last_migrate_reason"], row["memcg"]) == (reason, "m")


def test_a_handle_instead_of_the_stack() -> None:
    # GIVEN a stack from show_stacks_handles for one of two handles
    stacks = StackTable()
    stacks.know_handle(7, STACK)
    # WHEN page_owner is read in its mode=handle
    text = [HEADER + b"handle: %d\nSlab cache page\n\n" % handle for handle in (7, 8, 7, 9)]
    parsed = read_pages(b"".join(text), stacks=stacks)
    # THEN the known one has frames, and the others are different stacks
    assert [row["frames"] for row in parsed.rows] == [("a+0x1/0x2", "b+0x3/0x4"), (), ("a+0x1/0x2", "b+0x3/0x4"), ()]
    assert [(stack.stack_id, stack.handle) for stack in stacks] == [(0, 7), (1, 8), (2, 9)]
    assert [row["slab"] for row in parsed.rows] == [True] * 4
    assert parsed.rejects == []


def test_a_handle_after_the_stack() -> None:
    # GIVEN mode=stack_handle for one record, mode=handle for the next
    text = HEADER + STACK + b"handle: 4294967295\nCharged to memcg m\n\n" + HEADER + b"handle: 4294967295\n\n"
    parsed = read_pages(text)
    # THEN both have the same stack
    assert [(stack.handle, len(stack.frames)) for stack in parsed.stacks] == [(4294967295, 2)]
    assert [row["memcg"] for row in parsed.rows] == ["m", None]


@pytest.mark.parametrize("number", [b"4294967296", b"9" * 60, b"-1", b""])
def test_an_invalid_handle_is_rejected(number: bytes) -> None:
    parsed = read_pages(HEADER + STACK + b"handle: " + number + b"\n\n")
    assert parsed.notes == [(UNKNOWN, b"handle: " + number + b"\n")]
    assert [stack.handle for stack in parsed.stacks] == [None]
    assert len(parsed.rows) == 1


def test_unknown_lines_are_notes() -> None:
    # GIVEN lines of a future kernel before, between and after known lines
    text = HEADER + b"New: 1\n" + STACK + b"Colour: red\nCharged to memcg m\nslab cache page\n\n"
    # WHEN two such records are read
    parsed = read_pages(text * 2)
    # THEN both rows are complete, and each note has its place
    assert [(row["memcg"], row["frames"]) for row in parsed.rows] == [("m", ("a+0x1/0x2", "b+0x3/0x4"))] * 2
    notes = [(3, b"New: 1\n"), (6, b"Colour: red\n"), (8, b"slab cache page\n")]
    assert [(r.line, r.text) for r in parsed.rejects] == notes + [(line + 9, note) for line, note in notes]
    assert [r.offset for r in parsed.rejects[:3]] == [text.index(note) for _, note in notes]
    assert [r.offset for r in parsed.rejects[3:]] == [len(text) + text.index(note) for _, note in notes]
    assert {(r.file, r.reason, r.lost) for r in parsed.rejects} == {("page_owner", UNKNOWN, False)}


@pytest.mark.parametrize("rest", [b"junk\n", b"Slab cache page\n\n", b"Page has been\n", b"\0"])
def test_text_after_the_end_is_a_note(rest: bytes) -> None:
    parsed = read_pages([HEADER + STACK + b"\n" + rest, HEADER + b"\n"], delimited=True)
    assert parsed.notes == [("text after the end of a record", rest)]
    assert [row["slab"] for row in parsed.rows] == [False, False]


@pytest.mark.parametrize("rest", [b"P", b"Page allocated", b"Page allocated via ", b"Page allocated via\n"])
def test_the_first_words_of_a_record_are_a_lost_record(rest: bytes) -> None:
    # GIVEN text that ends within the first words of its second record
    parsed = read_pages([HEADER + STACK + b"\n" + rest], delimited=True)
    # THEN the first is complete, and the second is a lost record
    assert len(parsed.rows) == 1
    assert parsed.lost == [Reason.CUT_OFF.text]
    assert parsed.rejects[0][:3] == ("page_owner", len(HEADER + STACK) + 1, 6)


def test_empty_lines_after_a_record_are_ignored() -> None:
    parsed = read_pages(b"\n\n" + (HEADER + STACK + b"\n\n\n \n") * 2)
    assert (len(parsed.rows), parsed.rejects) == (2, [])


@pytest.mark.parametrize("end", [b"", STACK, STACK[:-1], STACK + b"Charged to mem", STACK + b"Charged to memcg x\n"])
def test_a_record_without_its_empty_line_is_cut_off(end: bytes) -> None:
    parsed = read_pages(HEADER + end)
    assert (parsed.rows, parsed.lost, len(parsed.stacks)) == ([], [Reason.CUT_OFF.text], 0)
