# SPDX-License-Identifier: LGPL-2.1-or-later
"""swap_page_owner: one record for each swap entry."""

import pytest

from spo_trace.formats.reasons import Reason
from tests.unit.formats.reading import HEADER, read_pages, read_swap

RECORD = (
    b"Page allocated via pid 206, tgid 205 (dd), ts 13255427451 ns\nSWP entry 0x2e\n"
    b" shmem_alloc_folio+0x1b/0x30\n zram_write+0x1/0x2 [zram]\n\n"
)
FRAMES = ("shmem_alloc_folio+0x1b/0x30", "zram_write+0x1/0x2 [zram]")
ROW = {
    "swp_entry": 46,
    "swap_type": 0,
    "swap_offset": 46,
    "pid": 206,
    "tgid": 205,
    "comm": "dd",
    "ts_nsec": 13255427451,
    "pfn": None,
    "origin": "debugfs",
    "frames": FRAMES,
}


def test_every_column_of_a_record() -> None:
    parsed = read_swap(RECORD)
    assert parsed.rows == [ROW]
    assert parsed.rejects == []


@pytest.mark.parametrize(
    ("entry", "bits", "value", "swap_type", "offset"),
    [
        (b"0x1", 64, 1, 0, 1),
        (b"0x400000000000002", 64, 0x400000000000002, 1, 2),
        (b"0xffffffffffffffff", 64, 2**64 - 1, 63, 2**58 - 1),
        (b"0x4000002", 32, 0x4000002, 1, 2),
        (b"0xffffffff", 32, 2**32 - 1, 63, 2**26 - 1),
    ],
)
def test_entries(entry: bytes, bits: int, value: int, swap_type: int, offset: int) -> None:
    (row,) = read_swap(RECORD.replace(b"0x2e", entry), bits=bits).rows
    assert (row["swp_entry"], row["swap_type"], row["swap_offset"]) == (value, swap_type, offset)


@pytest.mark.parametrize(
    ("old", "new", "bits", "reason", "line"),
    [
        (b"0x2e", b"0x10000000000000000", 64, "first line not understood", 1),
        (b"0x2e", b"0x100000000", 32, "entry is out of range", 2),
        (b"0x2e", b"46", 64, "first line not understood", 1),
        (b"SWP", b"PFN", 64, "first line not understood", 1),
        (b"ts 13255427451", b"ts 9223372036854775808", 64, "ts is out of range", 1),
        (b"ts 13255427451", b"ts " + b"7" * 60, 64, "ts is out of range", 1),
        (b"via pid", b"via order 0, mask 0x0(), pid", 64, "first line not understood", 1),
        (b"\n\n", b"\n", 64, Reason.CUT_OFF.text, 1),
        (b"(dd)", b"(" + b"d" * 200 + b")", 64, "first line not understood", 1),
    ],
)
def test_only_the_bad_record_is_lost(old: bytes, new: bytes, bits: int, reason: str, line: int) -> None:
    # GIVEN a bad record between two others
    bad = RECORD.replace(old, new)
    parsed = read_swap([RECORD, bad, RECORD], delimited=True, bits=bits)
    # THEN it is rejected, and the others are read
    assert parsed.rows == [ROW, ROW]
    assert [(r.file, r.line, r.reason, r.text, r.lost) for r in parsed.rejects] == [
        ("swap_page_owner", 5 + line, reason, bad, True)
    ]


def test_unknown_lines_are_notes() -> None:
    parsed = read_swap(RECORD[:-1] + b"Charged to memcg m\nnew: 1\n\n" + RECORD)
    assert parsed.rows == [ROW, ROW]
    assert [(reject.line, reject.text, reject.lost) for reject in parsed.rejects] == [(6, b"new: 1\n", False)]


def test_records_of_the_two_files_are_not_confused() -> None:
    page = HEADER + b" a+0x1/0x2\n\n"
    assert (len(read_pages(RECORD + page).rows), len(read_pages(RECORD + page).lost)) == (1, 1)
    assert (len(read_swap(RECORD + page).rows), len(read_swap(RECORD + page).lost)) == (1, 1)
