# SPDX-License-Identifier: LGPL-2.1-or-later
"""Text that is made to mislead, or that is not page_owner text."""

import pytest

from spo_trace.formats.escape import escape
from spo_trace.formats.reasons import Reason
from spo_trace.limits import MAX_RECORD_LINES
from tests.unit.formats.drawing import HOSTILE_COMMS
from tests.unit.formats.reading import HEADER, read_pages, read_swap

STACK = b" a+0x1/0x2\n\n"
SWAP = b"Page allocated via pid 1, tgid 1 (dd), ts 5 ns\nSWP entry 0x2e\n" + STACK


@pytest.mark.parametrize("comm", HOSTILE_COMMS)
def test_a_comm_cannot_hide_a_record(comm: bytes) -> None:
    # GIVEN a thread with such a name, its record between others, in memory and in swap
    pages = [HEADER + STACK, HEADER.replace(b"(dd)", b"(" + comm + b")") + STACK, HEADER + STACK]
    entries = [SWAP, SWAP.replace(b"(dd)", b"(" + comm + b")"), SWAP]
    for parsed in (read_pages(b"".join(pages)), read_pages(pages, delimited=True), read_swap(b"".join(entries))):
        # THEN there are three records with their own names and times
        assert [row["comm"] for row in parsed.rows] == ["dd", escape(comm), "dd"]
        assert [row["ts_nsec"] for row in parsed.rows] == [5, 5, 5]
        assert parsed.rejects == []


def test_names_are_printable() -> None:
    comm = b"\x1b[2J\x07\xff\n\\\xc2\x85"
    (row,) = read_pages(HEADER.replace(b"(dd)", b"(" + comm + b")") + STACK).rows
    assert row["comm"] == "\\033[2J\\007\\377\\n\\\\\\302\\205"


@pytest.mark.parametrize(
    "comm", [b"x" * 16, b"x" * 200, b"a\0b", b"\nPage allocated via order 0, mask 0x0()\nPFN 0x1 "]
)
def test_an_impossible_comm_loses_only_its_record(comm: bytes) -> None:
    # GIVEN a comm that is too long or has a NUL byte
    bad = HEADER.replace(b"(dd)", b"(" + comm + b")") + STACK
    # WHEN its record is between two others
    parsed = read_pages([HEADER + STACK, bad, HEADER + STACK], delimited=True)
    # THEN the others are read
    assert [row["comm"] for row in parsed.rows] == ["dd", "dd"]
    assert [(reject.text, reject.lost) for reject in parsed.rejects] == [(bad, True)]


@pytest.mark.parametrize(
    "name", [b"Page allocated via order 0, mask 0x0()", b"x Page allocated via pid 1", b") to memcg"]
)
def test_a_memcg_cannot_hide_a_record(name: bytes) -> None:
    text = HEADER + b" a+0x1/0x2\nCharged to memcg " + name + b"\n\n"
    parsed = read_pages(text * 2)
    assert [row["memcg"] for row in parsed.rows] == [name.decode()] * 2
    assert parsed.rejects == []


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_line_ends_of_a_serial_line(end: bytes) -> None:
    # GIVEN records with CR LF line ends, one with an unknown line, one with a bad PFN line
    plain = (
        HEADER + b" a+0x1/0x2\nCharged to memcg m\n\n" + HEADER + b" b+0x1/0x2\nSlab cache page\nunknown\n\n" + HEADER
    )
    plain += b" c+0x1/0x2\n\n" + HEADER.replace(b"PFN", b"PNF") + b"\n" + SWAP
    text = plain.replace(b"\n", end)
    # WHEN they are read
    parsed = read_pages(text)
    # THEN the rows are the same, and the rejects point to the right bytes
    assert [(row["comm"], row["memcg"], row["frames"]) for row in parsed.rows] == [
        ("dd", "m", ("a+0x1/0x2",)),
        ("dd", None, ("b+0x1/0x2",)),
        ("dd", None, ("c+0x1/0x2",)),
        ("dd", None, ()),
    ]
    bad_pfn = text.index(b"PNF")
    assert [(reject.line, reject.offset, reject.reason) for reject in parsed.rejects] == [
        (10, text.index(b"unknown"), "line not understood"),
        (17, bad_pfn, "line not understood"),
        (19, text.index(b"Page allocated via pid"), "first line not understood"),
    ]
    assert plain.split(b"\n")[16].startswith(b"PNF")
    assert len(read_swap(SWAP.replace(b"\n", end) * 3).rows) == 3


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0" * 3000,
        bytes(range(256)) * 20,
        b"MemTotal: 5 kB\nMemFree: 2 kB\n",
        b"Page allocated via ",
        b"Page allocated via order\n\n",
        b"PFN 0x1\n\n",
        b"\xef\xbb\xbf",
        b" a+0x1/0x2\n",
        b"Page allocated via order 0, mask 0x" + b"f" * 100_000,
        b"Page allocated via order 0, mask 0x0(" + b"a|" * 50_000,
    ],
)
def test_garbage_before_a_record_is_one_reject(garbage: bytes) -> None:
    # GIVEN garbage, and a record on the next line
    parsed = read_pages(garbage + b"\n" + HEADER + STACK)
    # THEN the record is read, and the garbage is rejected
    assert [row["comm"] for row in parsed.rows] == ["dd"]
    assert [reject.text for reject in parsed.rejects] == [garbage + b"\n"]


@pytest.mark.parametrize("text", [b"", b"\n", b"\r\n\r\n", b" \n\n"])
def test_empty_text_has_no_record_and_no_reject(text: bytes) -> None:
    for parsed in (read_pages(text), read_pages([text], delimited=True), read_pages([]), read_swap(text)):
        assert (parsed.rows, parsed.rejects) == ([], [])


def test_very_many_rejects_are_all_counted() -> None:
    bad = b"Page allocated via x\n\n"
    parsed = read_pages(bad * 20_000)
    assert parsed.lost == [Reason.FIRST_LINE.text] * 20_000
    assert (parsed.rejects[-1].line, parsed.rejects[-1].offset) == (2 * 20_000 - 1, len(bad) * 19_999)


def test_a_record_of_very_many_lines_is_read_up_to_a_limit() -> None:
    # GIVEN a record of alternating unknown lines and frames
    odd = b"??\n0x1\n"
    parsed = read_pages(HEADER + odd * 20_000 + b"\n" + HEADER + b" a+0x1/0x2\n\n")
    # THEN its first lines are read, and the others are one reject with the number of its lines
    read = MAX_RECORD_LINES // 2
    assert [row["frames"] for row in parsed.rows] == [("0x1",) * (read - 1), ("a+0x1/0x2",)]
    assert [reject.number for reject in parsed.rejects] == [1] * (read - 1) + [1 + 2 * (20_000 - read) + 1]
    # AND each has its place
    last = parsed.rejects[-1]
    assert (last.line, last.offset) == (3 + MAX_RECORD_LINES - 2, len(HEADER) + len(odd) * (read - 1))


def test_unknown_lines_next_to_each_other_are_one_reject() -> None:
    parsed = read_pages(HEADER + b"?1\n?2\n a+0x1/0x2\n?3\n\n")
    assert [(reject.text, reject.number) for reject in parsed.rejects] == [(b"?1\n?2\n", 2), (b"?3\n", 1)]
    assert parsed.rows[0]["frames"] == ("a+0x1/0x2",)


def test_whitespace_beyond_the_limit_of_lines_is_left_as_it_is() -> None:
    # GIVEN a record with CR LF and very many lines
    text = (HEADER + b" a+0x1/0x2\n" * 3000 + b"\n").replace(b"\n", b"\r\n")
    # THEN the time to read it is bounded, and it is lost
    assert (read_pages(text).rows, len(read_pages(text).lost)) == ([], 1)
    # AND one with few lines is read
    few = (HEADER + b" a+0x1/0x2\n" * 900 + b"\n").replace(b"\n", b"\r\n")
    assert len(read_pages(few).rows) == 1
