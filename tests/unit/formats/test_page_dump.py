# SPDX-License-Identifier: LGPL-2.1-or-later
"""Dumps of single pages: the events of a page in each layout, and hostile text."""

from typing import Any

import pytest

from spo_trace.formats.page_dump import dump_batches
from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import Reject
from spo_trace.formats.stack_table import StackTable

# __dump_page() and __dump_page_owner() of 7.2, without printk's prefixes.
DUMP = b"""page: refcount:0 mapcount:0 mapping:0000000000000000 index:0x0 pfn:0x78dca
flags: 0xfff00000000000(uptodate|node=0|zone=1|lastcpupid=0x7ff)
page_owner tracks the page as allocated
page last allocated via order 3, migratetype Movable, gfp_mask 0xd20c0(GFP_X), pid 63, tgid 62 (a) b), ts 9, free_ts 8
 post_alloc_hook+0x240/0x2a0
 drv_alloc+0x1/0x2 [drv]
page last free pid 7 tgid 6 stack trace:
 free_pages+0x1/0x2
page has been migrated, last migrate reason: compaction
"""


def read(text: bytes, step: int = 1 << 20) -> tuple[list[dict[str, Any]], list[Reject], list[tuple[str, ...]]]:
    stacks = StackTable()
    rejects: list[Reject] = []
    chunks = [text[at : at + step] for at in range(0, len(text), step)]
    rows = [row for batch in dump_batches(chunks, stacks, rejects.append) for row in batch.to_pylist()]
    return rows, rejects, [stacks[row["stack_id"]].frames for row in rows]


def with_prefix(prefix: bytes) -> bytes:
    return b"".join(prefix + line for line in DUMP.splitlines(keepends=True))


PREFIXES = (
    b"",
    b"> ",
    b"[  261.214290][T11285] ",
    b"[   12.500000] ",
    b"<6>[   12.500000] ",
    b"Nov 29 05:00:00 host kernel: ",
)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("step", [1, 1 << 20])
def test_events_of_a_page(prefix: bytes, step: int) -> None:
    (allocated, freed), rejects, frames = read(with_prefix(prefix), step)
    assert not rejects
    common = {"pfn": 0x78DCA, "order": 3, "page_flags": 0xFFF00000000000, "page_flag_names": "uptodate", "zone": 1}
    common |= {"node": 0, "last_migrate_reason": "compaction"}
    assert (common | {"event": "allocated", "pid": 63, "tgid": 62, "comm": "a) b"}).items() <= allocated.items()
    numbers = {"ts_nsec": 9, "free_ts_nsec": 8, "base_pages": 8, "allocations": 1, "migratetype": "Movable"}
    assert numbers.items() <= allocated.items()
    assert (common | {"event": "freed", "pid": 7, "tgid": 6, "comm": None, "base_pages": 0}).items() <= freed.items()
    assert frames == [("post_alloc_hook+0x240/0x2a0", "drv_alloc+0x1/0x2 [drv]"), ("free_pages+0x1/0x2",)]


def test_a_free_page_has_no_memory_and_an_unknown_state_is_unknown() -> None:
    freed = read(DUMP.replace(b"as allocated", b"as freed"))[0]
    assert [row["base_pages"] for row in freed] == [0, 0]
    unknown = read(DUMP.replace(b"page_owner tracks the page as allocated\n", b""))[0]
    assert [row["base_pages"] for row in unknown] == [None, 0]


def test_a_page_of_linux_4_9() -> None:
    text = b"page:ffffea0001618800 count:1 mapcount:0 mapping: (null) index:0x0\n"
    text += b"page allocated via order 1, migratetype Unmovable, gfp_mask 0x24000c0(GFP_KERNEL)\n drv+0x1/0x2\n"
    (row,), _, frames = read(text)
    assert (row["pfn"], row["base_pages"], row["pid"], frames) == (None, 2, None, [("drv+0x1/0x2",)])


def test_each_page_of_a_log() -> None:
    rows = read(DUMP + b"other text\n" + DUMP.replace(b"0x78dca", b"0x1"))[0]
    assert [(row["pfn"], row["event"]) for row in rows] == [
        (0x78DCA, "allocated"),
        (0x78DCA, "freed"),
        (1, "allocated"),
        (1, "freed"),
    ]


def test_a_second_number_of_gdb_is_of_another_page() -> None:
    # GIVEN a dump, and the rest of another one whose first lines are lost
    rows = read(DUMP + b"PFN: 655360, Flags: 0x3fffc0000000000\n   0x1 <split_map_pages+344>:\tnop\n")[0]
    assert [(row["pfn"], row["event"]) for row in rows] == [(0x78DCA, "allocated"), (0x78DCA, "freed")]


def test_another_processors_message_does_not_end_a_stack() -> None:
    lines = with_prefix(b"[  261.214290][T11285] ").splitlines(keepends=True)
    lines.insert(5, b"[  261.214291][   C3] usb 1-1: new device\n")
    assert len(read(b"".join(lines))[2][0]) == 2
    lines.insert(5, b"[  261.214291][T11285] Call Trace:\n")
    assert len(read(b"".join(lines))[2][0]) == 1


def test_what_cannot_be_read_is_located() -> None:
    text = b"x\n" + DUMP.replace(b"order 3", b"order 99")
    rows, rejects, _ = read(text)
    assert rows == []
    assert [(r.file, r.line, r.code, r.lost) for r in rejects] == [("page_dump", 5, Reason.ORDER_RANGE, True)]
    assert text[rejects[0].offset :].startswith(b"page last allocated")
    rows, rejects, _ = read(DUMP.replace(b"(a) b)", b"(a"))
    assert [(r.line, r.code) for r in rejects] == [(4, Reason.FIRST_LINE)]
    rows, rejects, _ = read(DUMP.replace(b"ts 9,", b"ts 99999999999999999999,"))
    assert (rows[0]["ts_nsec"], rejects[0].code, rejects[0].lost) == (None, Reason.TS_RANGE, False)


@pytest.mark.parametrize("text", [b"\0" * 5000, b"(" * 100_000, b"page: " * 9999, b" a+0x1\n" * 9999, b"> " * 50_000])
def test_hostile_text_has_no_rows(text: bytes) -> None:
    assert read(text)[0] == []
    rows, _, frames = read(DUMP + text)
    assert [row["event"] for row in rows] == ["allocated", "freed"]
    assert all(len(stack) <= 256 for stack in frames)


@pytest.mark.parametrize(
    ("line", "pfn"),
    [
        (b"page: refcount:0 mapcount:0 pfn:0x8000000000000000\n", None),
        (b"page: refcount:0 mapcount:0 pfn:0x7fffffffffffffff\n", (1 << 63) - 1),
        (b"PFN 9223372036854775808(0x8000000000000000) paddr 0\n", None),
    ],
)
def test_a_pfn_beyond_int64_is_unknown(line: bytes, pfn: int | None) -> None:
    rows, rejects, _ = read(line + DUMP.split(b"\n", 1)[1])
    assert [row["pfn"] for row in rows] == [pfn] * len(rows) != []
    assert [(r.line, r.code, r.lost) for r in rejects] == ([(1, Reason.PFN_LINE, False)] if pfn is None else [])
