# SPDX-License-Identifier: LGPL-2.1-or-later
"""The scanner agrees with the reference parser on records of real kernels and on slightly different ones."""

import pytest

from tests.unit.formats.drawing import HOSTILE_COMMS
from tests.unit.formats.fast.comparing import assert_same, in_chunks, left_records
from tests.unit.formats.reading import HEADER
from tests.unit.formats.test_cuts import PAGES
from tests.unit.formats.test_page_owner_vendors import RECORDS

RECORD = (
    b"Page allocated via order 0, mask 0xcc0(GFP_KERNEL), pid 7, tgid 8 (dd), ts 5 ns\n"
    b"PFN 0x100 type Movable Block 1 type Unmovable Flags 0x8(lru|node=1|zone=2)\n"
    b" a+0x1/0x2\n b+0x1/0x2 [m]\nCharged to memcg x\n\n"
)
END = b"\n b+0x1/0x2 [m]\nCharged to memcg x\n\n"

# Replacements in RECORD, after which the scanner takes it or leaves it.
TAKEN = [
    (b"order 0", b"order 22"),
    (b"order 0", b"order 007"),
    (b"0xcc0", b"0xffffffff"),
    (b"0xcc0(GFP_KERNEL)", b"0x0()"),
    (b"pid 7, ", b"pid 999999999, "),
    (b"pid 7, ", b"pid -1, "),
    (b"tgid 8", b"tgid -999999999"),
    (b"ts 5", b"ts " + b"9" * 18),
    (b"ts 5 ns", b"ts 5 ns (swapped)"),
    (b"ts 5 ns", b"ts 5 ns, free_ts 0 ns"),
    (b"ts 5 ns", b"ts 5 ns, free_ts " + b"9" * 18 + b" ns (swapped)"),
    (b"0x100 ", b"0x7" + b"f" * 15 + b" "),
    (b"0x100 ", b"9" * 18 + b" "),
    (b"0x100 ", b"0 "),
    (b"Flags 0x8", b"Flags 0x" + b"f" * 16),
    (b"(lru|node=1|zone=2)", b"()"),
    (b"node=1", b"node=40000"),
    (b"node=1", b"node=-1"),
    (b"Movable Block", b"\x7f\xff Block"),
    (b"(dd)", b"(" + b"d" * 15 + b")"),
    (b"(dd)", b"()"),
    (b" a+0x1/0x2" + END, b"\n"),
    (b" a+0x1/0x2" + END, b" a+0x1/0x2\n" * 500 + b" (null)\n" * 500 + b"\n"),
    (END, b"\nPage has been migrated, last migrate reason: compaction\nSlab cache page\n\n"),
    (END, b"\nhandle: 123\n\n"),
    (END, b"\nhandle: 0\nCharged to memcg x\n\n"),
    (b" a+0x1/0x2" + END, b"handle: 4294967295\n\n"),
    (b" a+0x1/0x2" + END, b"handle: 0000000007\nPage has been migrated, last migrate reason: compaction\n\n"),
    (END, b"\nCharged (via objcg) to offline memcg \n\n"),
    (END, b"\nCharged to memcg " + b"x" * 5000 + b"\n\n"),
]
LEFT = [
    (b" a+0x1/0x2" + END, b" a+0x1/0x2" * 500 + b"\n" + b" b\r\n" * 500 + b"\n"),
    (b" a+0x1/0x2" + END, b" a+0x1/0x2\n[  612.113412] usb 1-1: new device\n b+0x1/0x2\n\n"),
    (b" a+0x1/0x2" + END, b" a+0x1/0x2\n b+0x1[  612.113412] usb 1-1\n c+0x1/0x2\n\n"),
    (b" a+0x1/0x2" + END, b" a+0x1/0x2 \n b+0x1/0x2\t\n \n"),
    (b" a+0x1/0x2" + END, b"\ta+0x1/0x2\n\tb+0x1/0x2\n\n"),
    (b" a+0x1/0x2" + END, b" a+0x1/0x2\n--\n"),
    (b" a+0x1/0x2" + END, b" a+0x1/0x2\n\nPFN 0x5 type Movable Block 1\n b+0x1/0x2\n\n"),
    (b" a+0x1/0x2" + END, b" a+0x1/0x2\nPFN 0x5 type Movable Block 1\n b+0x1/0x2\n\n"),
    (b"\nPFN", b"\nFILE_PAGE dev 253:0\nPFN"),
    (b"\nPFN", b"\n c+0x1/0x2\nCharged to memcg y\nPFN"),
    (b"\nPFN", b"\n\nPFN"),
    (b"\nPFN", b"\nPNF"),
    (b"PFN ", b"PFN\t"),
    (b"\nPFN", b" \n  PFN"),
    (b"order 0", b"order 23"),
    (b"order 0", b"order -1"),
    (b"order 0", b"order " + b"0" * 19),
    (b"0xcc0", b"0x1ffffffff"),
    (b"0xcc0", b"0xCC0"),
    (b"0xcc0(GFP_KERNEL)", b"0xcc0"),
    (b"(GFP_KERNEL)", b"(GFP_(KERNEL)"),
    (b"(GFP_KERNEL)", b"(GFP_\nKERNEL)"),
    (b"(GFP_KERNEL)", b"(GFP_KERNEL"),
    (b"pid 7, ", b"pid 1000000000, "),
    (b"tgid 8", b"tgid --8"),
    (b"tgid 8", b"tgid "),
    (b"ts 5", b"ts " + b"9" * 19),
    (b"ts 5", b"ts 9223372036854775807"),
    (b"ts 5", b"ts 9223372036854775808"),
    (b"ts 5", b"ts 18446744073709551616"),
    (b"ts 5", b"ts " + b"1" * 5000),
    (b"ts 5 ns", b"ts 5 ns, free_ts 9223372036854775807 ns"),
    (b"ts 5 ns", b"ts 5 ns, free_ts 9223372036854775808 ns"),
    (b"ts 5 ns", b"ts 5 ns, free_ts " + b"9" * 20 + b" ns"),
    (b"ts 5 ns", b"ts 5 ns (swapped) "),
    (b"ts 5 ns", b"ts 5 ns (swappe)"),
    (b"0x100 ", b"0x8" + b"0" * 15 + b" "),
    (b"0x100 ", b"0x" + b"f" * 16 + b" "),
    (b"0x100 ", b"0x" + b"f" * 17 + b" "),
    (b"0x100 ", b"9223372036854775807 "),
    (b"0x100 ", b"9223372036854775808 "),
    (b"0x100 ", b"9" * 19 + b" "),
    (b"0x100 ", b"0x "),
    (b"0x100 ", b"100a "),
    (b"Flags 0x8", b"Flags 0x" + b"f" * 17),
    (b"Flags 0x8", b"Flags 8"),
    (b"Block 1", b"Block " + b"1" * 19),
    (b"Movable Block", b"Mov able Block"),
    (b"Movable Block", b"Mov\x01able Block"),
    (b"Movable Block", b" Block"),
    (b"(dd)", b"(" + b"d" * 16 + b")"),
    (b"(dd)", b"(d\0d)"),
    (b"\n a+", b"\na+"),
    (END, b"\n\n\n"),
    (END, b"\n\nrest\n"),
    (END, b"\n"),
    (END, b""),
    (END, b"\nhandle: 4294967296\n\n"),
    (END, b"\nhandle: 00000000001\n\n"),
    (END, b"\nhandle: \n\n"),
    (END, b"\nhandle: 1 \n\n"),
    (END, b"\nhandle: 1\nhandle: 2\n\n"),
    (END, b"\nSlab cache page\nhandle: 1\n\n"),
    (END, b"\nhandle: 1\n c+0x1/0x2\n\n"),
    (END, b"\nhandle: 1"),
    (END, b"\nPID 99\n\n"),
    (END, b"\nPage allocated by module ext4\n\n"),
    (END, b"\nwho knows\nCharged to memcg x\n\n"),
    (END, b"\nCharged to memcg x\n c+0x1/0x2\n\n"),
    (END, b"\n\xff\n\n"),
    (END, b"\n\0\n\n"),
]


@pytest.mark.parametrize(("old", "new"), TAKEN)
def test_a_record_that_the_scanner_takes(old: bytes, new: bytes) -> None:
    # GIVEN a changed record between others
    changed = RECORD.replace(old, new, 1)
    assert changed != RECORD
    # WHEN both parsers read them
    same = assert_same(RECORD + changed + RECORD)
    # THEN they agree, and the scanner has taken all records
    assert same.table.num_rows == 3
    assert same.rejected == []
    assert left_records(RECORD + changed + RECORD) == []


@pytest.mark.parametrize(("old", "new"), LEFT)
def test_a_record_that_the_scanner_leaves(old: bytes, new: bytes) -> None:
    # GIVEN an unusual record between others
    changed = RECORD.replace(old, new, 1)
    assert changed != RECORD
    text = RECORD + changed + RECORD
    # WHEN both parsers read them, in runs of any size
    expected = assert_same(text)
    for run_bytes in (1, 300, 500):
        assert_same(in_chunks(text, 100), run_bytes=run_bytes, jobs=2, expected=expected)
    # THEN the scanner has left that record (with the next one if its line has no end), and taken the others
    assert 2 <= expected.table.num_rows <= 3
    assert left_records(text) == [changed if changed.endswith(b"\n") else changed + RECORD]


@pytest.mark.parametrize("comm", [*HOSTILE_COMMS, b"), ts 1 ns), ts", b"a), ts 1 ns, fr", b"x), ts )), ts 1"])
def test_a_hostile_comm(comm: bytes) -> None:
    changed = RECORD.replace(b"(dd)", b"(" + comm + b")")
    for text in (changed, RECORD + changed * 2, changed.replace(b"ts 5 ns", b"ts 5 ns, free_ts 7 ns")):
        same = assert_same(text)
        assert same.table.num_rows == text.count(b"PFN 0x100")
        assert left_records(text) == []


def test_rejects_and_rows_keep_their_positions() -> None:
    # GIVEN a mix of records that the scanner takes and leaves: rows, rejects, notes and handles
    odd = [RECORD.replace(old, new, 1) for old, new in LEFT]
    text = b"before\n" + b"".join(RECORD.replace(b"a+0x1", b"a+0x%x" % n) + one for n, one in enumerate(odd))
    # WHEN both parsers read them
    expected = assert_same(text)
    assert len(expected.rejects) > 20
    assert len(expected.stacks) > len(LEFT)
    # THEN runs, chunks and jobs make no difference
    for jobs in (1, 2, 3):
        for size in (1, 77, 1000):
            assert_same(in_chunks(text, 50), run_bytes=size, jobs=jobs, expected=expected)


@pytest.mark.parametrize(("line_end", "step"), [(b"\n", 1), (b"\r\n", 5)], ids=["LF", "CRLF"])
def test_every_cut_of_records_of_all_kinds(line_end: bytes, step: int) -> None:
    # GIVEN records of several kernels
    text = (b"".join(PAGES) + HEADER + b"handle: 5\n\n").replace(b"\n", line_end)
    # WHEN the text ends anywhere in one, or begins anywhere in the first
    for cut in range(0, len(text), step):
        assert_same(text[:cut])
    for cut in range(0, len(PAGES[0]), step):
        assert_same(text[cut:], run_bytes=400)


def test_every_variant_that_vendors_print() -> None:
    variants = [text for text, _ in RECORDS.values()]
    same = assert_same(b"".join(variant + RECORD for variant in variants), run_bytes=1000)
    assert same.table.num_rows == 2 * len(variants)
