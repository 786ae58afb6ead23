# SPDX-License-Identifier: LGPL-2.1-or-later
"""A capture that was cut anywhere: complete records are read, and the cut is reported."""

from collections.abc import Callable
from itertools import accumulate

import pytest

from spo_trace.formats.reasons import Reason
from tests.unit.formats.reading import Parsed, read_pages, read_swap

PAGES = (
    b"Page allocated via order 0, mask 0x0(), pid 0, tgid 0 (swapper), ts 0 ns\n"
    b"PFN 0x100 type Unmovable Block 0 type Unmovable Flags 0x4(referenced|node=0|zone=0)\n"
    b" register_early_stack+0x28/0x43\n init_page_owner+0x33/0x24d\n\n",
    b"Page allocated via order 9, mask 0x3d24ca(GFP_TRANSHUGE), pid 77, tgid 77 (x), ts 1 ns\nPFN), ts 9 ns (swapped)\n"
    b"PFN 0x800 type Movable Block 4 type Movable Flags 0x1(locked|node=0|zone=1)\n"
    b" do_huge_pmd_anonymous_page+0x1b/0x490\nPage has been migrated, last migrate reason: compaction\n"
    b"Charged to memcg a b), c\n\n",
    b"Page allocated via order 0, mask 0xcc0(GFP_KERNEL), pid 5, ts 4 ns\n"
    b"PFN 4097 type Unmovable Block 8 type Movable Flags 0x200(slab)\n kmem_cache_alloc+0x1/0x2 [ext4]\n"
    b"Slab cache page\n\n",
    b"Page allocated via order 1, mask 0x24200ca\nPFN 5000 Block 9 type 2 Fallback Flags  ER   A     \n"
    b" [<ffffffff811682c8>] alloc_pages+0x28/0x50\n\n",
    b"Page allocated via order 0, mask 0xcc0(GFP_KERNEL), pid 6, tgid 6 (\n\nPage), ts 5 ns, free_ts 3 ns\n"
    b"PFN 0x1389 type Unmovable Block 9 type Movable Flags 0x0(node=0|zone=1)\nhandle: 123456\n"
    b"Charged (via objcg) to offline memcg x\n\n",
)
ENTRIES = (
    b"Page allocated via pid 9, tgid 9 (dd), ts 3 ns\nSWP entry 0x1\n shmem_fault+0x1/0x2\n\n",
    b"Page allocated via pid 9, tgid 9 (\nSWP entry 0), ts 3 ns\nSWP entry 0x400000000000002\n shmem_fault+0x1/0x2\n\n",
)


@pytest.mark.parametrize(("records", "read"), [(PAGES, read_pages), (ENTRIES, read_swap)], ids=["page_owner", "swap"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_every_prefix(records: tuple[bytes, ...], read: Callable[[bytes], Parsed], line_end: bytes) -> None:
    # GIVEN the rows of the whole text
    texts = [record.replace(b"\n", line_end) for record in records]
    text = b"".join(texts)
    ends = list(accumulate(map(len, texts)))
    whole = read(text)
    assert len(whole.rows) == len(records)
    assert whole.rejects == []
    for cut in range(len(text)):
        # WHEN the text ends at any byte
        parsed = read(text[:cut])
        # THEN all records before the cut are read, and the record at the cut is reported as lost, once
        complete = sum(end <= cut for end in ends)
        if parsed.marks[Reason.FIRST_LINE_ALONE]:
            # The cut is after a first line, which has the owner and the order.
            assert (parsed.rows[:-1], parsed.rows[-1]["pfn"], parsed.rejects) == (whole.rows[:complete], None, [])
            continue
        assert parsed.rows == whole.rows[:complete], cut
        in_a_record = bool(text[:cut].strip()) and cut not in ends
        assert len(parsed.lost) == in_a_record, cut
        assert len(parsed.rejects) == len(parsed.lost), cut


def test_every_suffix_begins_with_one_reject() -> None:
    # GIVEN a text whose first bytes are missing
    text = b"".join(PAGES)
    rows = read_pages(text).rows
    starts = [0, *accumulate(map(len, PAGES))]
    for cut in range(len(PAGES[0])):
        # WHEN it is read
        parsed = read_pages(text[cut:])
        # THEN all records but the first are read
        assert parsed.rows[-4:] == rows[1:]
        assert len(parsed.rows) + len(parsed.rejects) == (5 if text[cut : starts[1]].strip() else 4)


def test_captures_joined_at_a_cut_line() -> None:
    # GIVEN a capture cut in its first record, followed by another one on a new line
    text = PAGES[0][:200] + b"\n" + PAGES[1]
    # WHEN both are read as one text
    parsed = read_pages(text)
    # THEN the second is complete
    assert [row["order"] for row in parsed.rows] == [9]
    assert parsed.lost == [Reason.CUT_OFF.text]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_chunks_of_one_size(size: int) -> None:
    text = b"junk\n\n" + b"".join(PAGES) + PAGES[0][:90]
    whole = read_pages(text)
    parsed = read_pages([text[at : at + size] for at in range(0, len(text), size)])
    assert parsed.rows == whole.rows
    assert parsed.rejects == whole.rejects
    assert len(whole.rejects) == 2
