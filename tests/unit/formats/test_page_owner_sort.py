# SPDX-License-Identifier: LGPL-2.1-or-later
"""The output of page_owner_sort: the rows of each of its layouts, and hostile text."""

from typing import Any

import pytest

from spo_trace.formats.page_owner_sort import sorted_batches
from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import Reject
from spo_trace.formats.stack_table import StackTable

FRAMES = b" post_alloc_hook+0x1/0x2\n new_slab+0xd0/0x5ac\n"
OLD = b"Page allocated via order 1, mask 0x42dc0\n"
NEW = b"Page allocated via order 1, mask 0x42dc0(GFP_KERNEL), pid 7, tgid 6 (dd), ts  ns\n"
TAIL = b"Charged (via objcg)to offline memcg a\n".replace(b")to", b") to")


def read(text: bytes, step: int = 1 << 20) -> tuple[list[dict[str, Any]], list[Reject], StackTable]:
    stacks = StackTable()
    rejects: list[Reject] = []
    chunks = [text[at : at + step] for at in range(0, len(text), step)]
    rows = [row for batch in sorted_batches(chunks, stacks, rejects.append) for row in batch.to_pylist()]
    return rows, rejects, stacks


# Each layout (tools/mm/page_owner_sort.c of 3.19 to 7.2), and the values of its row that are not null.
LAYOUTS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "3.19": (b"7 times:\n" + OLD + FRAMES + b"\n", {"order": 1, "gfp_mask": 0x42DC0}),
    "pages": (b"7 times, 14 pages:\n" + OLD + FRAMES + b"\n", {"order": 1, "gfp_mask": 0x42DC0}),
    "allocator": (
        b"7 times, 14 pages, allocated by CMA SLAB :\n" + NEW + FRAMES + TAIL + b"\n",
        {"order": 1, "pid": 7, "tgid": 6, "comm": "dd", "gfp_flags": "GFP_KERNEL", "allocator": "CMA SLAB"}
        | {"memcg": "a", "memcg_offline": True, "memcg_objcg": True, "gfp_mask": 0x42DC0},
    ),
    "with its time": (
        b"1 times, 2 pages, allocated by OTHERS :\n" + NEW.replace(b"ts  ns", b"ts 9 ns") + FRAMES + b"\n",
        {"order": 1, "pid": 7, "tgid": 6, "comm": "dd", "gfp_flags": "GFP_KERNEL", "ts_nsec": 9, "allocator": "OTHERS"}
        | {"gfp_mask": 0x42DC0, "allocations": 1, "base_pages": 2},
    ),
    "cull st": (
        b"7 times, 14 pages:\n" + FRAMES + TAIL + b"\n",
        {"memcg": "a", "memcg_offline": True, "memcg_objcg": True},
    ),
    "cull pid,tgid": (b"7 times, 14 pages, PID 60, TGID 61\n", {"pid": 60, "tgid": 61}),
    "cull pid of old kernels": (b"7 times, 14 pages, PID -1, task_comm_name: \n", {}),
    "cull name": (b"7 times, 14 pages, task_comm_name: a, b: c\n", {"comm": "a, b: c"}),
    "cull name with a colon": (b"7 times, 14 pages, task_comm_name: kworker/0:\n", {"comm": "kworker/0:"}),
    "cull name,st": (b"7 times, 14 pages, task_comm_name: dd:\n" + FRAMES + b"\n", {"comm": "dd"}),
    "cull ator": (b"7 times, 14 pages, allocated by VMALLOC \n", {"allocator": "VMALLOC"}),
    "cull free": (b"7 times, 14 pages, PID 60 (UNRELEASED)\n", {"pid": 60}),
    "script": (b"times 7 order 1 mask 0x10\n" + FRAMES, {"order": 1, "gfp_mask": 0x10}),
    "CR LF": ((b"7 times, 14 pages:\n" + NEW + FRAMES + b"\n").replace(b"\n", b"\r\n"), {"order": 1, "comm": "dd"}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_layouts(layout: str, step: int) -> None:
    text, expected = LAYOUTS[layout]
    (row,), rejects, stacks = read(text, step)
    assert not [reject for reject in rejects if reject.lost]
    assert expected.items() <= row.items()
    assert {"allocations": 7, "base_pages": 14}.items() <= (row | expected).items() or "ts_nsec" in expected
    known = {name for name, value in row.items() if value is not None}
    allowed = {
        *expected,
        "allocations",
        "base_pages",
        "stack_id",
        "slab",
        "swapped",
        "pid",
        "tgid",
        "gfp_mask",
        "gfp_flags",
    }
    assert known <= allowed
    assert len(stacks[row["stack_id"]].frames) == (2 if FRAMES.split(b"\n")[0] in text else 0)


# Each text, and the reason for which its block is lost.
LOST = {
    b"7 times, 15 pages:\n" + OLD + FRAMES + b"\n": Reason.COUNTS_DIFFER,
    b"7 times, 3 pages, PID 5\n": Reason.COUNTS_DIFFER,
    b"7 times, -8 pages, PID 5\n": Reason.COUNT_RANGE,
    b"0 times, 0 pages, PID 5\n": Reason.COUNT_RANGE,
    b"9999999999999999999 times, 9999999999999999999 pages, PID 5\n": Reason.COUNT_RANGE,
    b"7 times:\n" + FRAMES + b"\n": Reason.NO_NUMBER,
    b"7 times, 14 pages:\n" + OLD + FRAMES: Reason.CUT_OFF,
    b"7 times, 14 pages:\n" + FRAMES: Reason.CUT_OFF,
    b"7 times:\nPage allocated via order 99, mask 0x1\n" + FRAMES + b"\n": Reason.ORDER_RANGE,
    b"times 7 order 99 mask 0x1\n" + FRAMES: Reason.ORDER_RANGE,
    b"7 times:\nPage allocated via pid 7, tgid 6 (dd), ts 1 ns\nSWP entry 0x2e\n" + FRAMES + b"\n": Reason.FIRST_LINE,
}


@pytest.mark.parametrize("text", LOST, ids=[reason.value for reason in LOST.values()])
def test_a_block_that_is_wrong_is_lost_and_located(text: bytes) -> None:
    before = b"1 times, 1 pages, PID 1\n"
    rows, rejects, _ = read(before + text)
    assert [row["pid"] for row in rows] == [1]
    (lost,) = [reject for reject in rejects if reject.lost]
    assert (lost.file, lost.code) == ("page_owner_sort", LOST[text])
    assert (before + text)[: lost.offset].count(b"\n") == lost.line - 1
    assert lost.offset >= len(before)


def test_a_block_that_is_there_twice_counts_once() -> None:
    text = b"7 times, 14 pages:\n" + NEW + FRAMES + b"\n"
    rows, rejects, _ = read(text * 2)
    assert [row["base_pages"] for row in rows] == [14]
    assert [(reject.code, reject.lost, reject.line) for reject in rejects] == [(Reason.REPEATED, True, 6)]


@pytest.mark.parametrize("comm", [b"\n9 times:\n", b"a\n9 times:\nb", b"), ts  ns\n1"])
def test_the_name_of_a_process_is_no_block(comm: bytes) -> None:
    first = b"7 times, 14 pages:\n" + NEW.replace(b"dd", comm) + FRAMES + b"\n"
    rows, _, _ = read(first + b"1 times, 2 pages:\n" + NEW + FRAMES + b"\n")
    assert sum(row["base_pages"] for row in rows) == 16
    assert all(row["allocations"] != 9 for row in rows)


def test_text_around_the_blocks_is_set_aside() -> None:
    rows, rejects, _ = read(b"$ cat sorted.txt\n7 times, 14 pages:\n" + NEW + b"usb 1-1: new\n" + FRAMES + b"\n")
    assert [row["base_pages"] for row in rows] == [14]
    assert [(reject.line, reject.lost, reject.text) for reject in rejects] == [
        (1, False, b"$ cat sorted.txt\n"),
        (4, False, b"usb 1-1: new\n"),
    ]
