# SPDX-License-Identifier: LGPL-2.1-or-later
"""page_owner formats of vendors, older trees, debuggers and patches that were never merged."""

from typing import Any

import pytest

from tests.unit.formats.reading import HEADER, read_pages

FRAMES = ("__alloc_pages+0x28/0x50", "ext4_read+0x1/0x2 [ext4]")

RECORDS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "2.6.11-mm": (
        b"Page allocated via order 3\n[0xc013f1a2] __alloc_pages+28\n[0xc01f0000] do_page_fault+1184\n\n",
        {"order": 3, "pfn": None, "gfp_mask": None, "frames": ("__alloc_pages+28", "do_page_fault+1184")},
    ),
    "2.6.11-mm with a mask": (
        b"Page allocated via order 3, mask 0xd0\n[0xc013f1a2] __alloc_pages+28\n\n",
        {"order": 3, "pfn": None, "gfp_mask": 0xD0, "frames": ("__alloc_pages+28",)},
    ),
    "3.x vendor": (
        b"Page allocated via order 0, mask 0x280da\nPFN 4096 Block 4 type 2          Flags    U LA     \n"
        b" [<ffffffc000168000>] __alloc_pages+0x28/0x50\n [<ffffffc000168004>] ext4_read+0x1/0x2 [ext4]\n\n",
        {"pfn": 4096, "pid": None, "page_flag_names": "uptodate|lru|active", "frames": FRAMES},
    ),
    "3.x vendor with a PID line": (
        b"Page allocated via order 0, mask 0x280da\nPFN 4096 Block 4 type 2          Flags    U LA     \nPID 717\n"
        b" [<ffffffc000168000>] __alloc_pages+0x28/0x50\n [<ffffffc000168004>] ext4_read+0x1/0x2 [ext4]\n\n",
        {"pfn": 4096, "pid": 717, "tgid": None, "comm": None, "frames": FRAMES},
    ),
    "openEuler OLK-5.10": (
        b"Page allocated via order 0, mask 0xcc0(GFP_KERNEL), pid 9, tgid 8 (modprobe), ts 3 ns, free_ts 0 ns\n"
        b"PFN 4097 type Unmovable Block 8 type Unmovable Flags 0x17ffffc0000000()\n"
        b"Page allocated by module ext4\n __alloc_pages+0x28/0x50\n ext4_read+0x1/0x2 [ext4]\n"
        b"Charged to memcg system.slice\n\n",
        {"module_name": "ext4", "comm": "modprobe", "memcg": "system.slice", "page_flag_names": "", "frames": FRAMES},
    ),
    "QCOM 5.4": (
        b"Page allocated via order 1, mask 0xdc0(GFP_KERNEL|__GFP_ZERO), pid 512, ts 2083121 ns\n"
        b"PFN 581632 type Unmovable Block 568 type Movable Flags 0x10200(slab|head)\n"
        b" __alloc_pages+0x28/0x50\n ext4_read+0x1/0x2 [ext4]\n\n",
        {"pid": 512, "tgid": None, "ts_nsec": 2083121, "pfn": 581632, "page_flag_names": "slab|head", "frames": FRAMES},
    ),
    "task_name": (
        b"Page allocated via order 0, mask 0xcc0(GFP_KERNEL), pid 7, task_name [a] (b), c], ts 4 ns, free_ts 1 ns\n"
        b"PFN 1 type Unmovable Block 0 type Unmovable Flags 0x0(node=0|zone=1)\n __alloc_pages+0x28/0x50\n\n",
        {"pid": 7, "tgid": None, "comm": "a] (b), c", "ts_nsec": 4, "free_ts_nsec": 1, "frames": FRAMES[:1]},
    ),
    "comm without tgid": (
        b"Page allocated via order 0, mask 0xcc0(GFP_KERNEL), pid 7 (a) b), ts 4 ns, free_ts 1 ns\n"
        b"PFN 1 type Unmovable Block 0 type Unmovable Flags 0x0(node=0|zone=1)\n __alloc_pages+0x28/0x50\n\n",
        {"pid": 7, "tgid": None, "comm": "a) b", "ts_nsec": 4, "free_ts_nsec": 1, "frames": FRAMES[:1]},
    ),
    "lx-dump-page-owner": (
        b"Page allocated via order 0, gfp_mask: 0x8, pid: 1, tgid: 1 (swapper/0), ts 295288287 ns, free_ts 0 ns\n"
        b"PFN: 655360, Flags: 0x8000000000002004\n"
        b"   0xffff800080211ac8 <post_alloc_hook+452>:\tmov\tx0, x19\n"
        b"=> 0xffff800080211b00 <prep_new_page+44>:\tldp\tx29, x30, [sp], #16\n",
        {"pfn": 655360, "gfp_mask": 8, "page_flags": 0x8000000000002004, "comm": "swapper/0", "ts_nsec": 295288287}
        | {"page_flag_names": None, "migratetype": None, "frames": ("post_alloc_hook+452", "prep_new_page+44")},
    ),
    "a mail that lost leading blanks": (
        HEADER + b"__alloc_pages+0x28/0x50\next4_read+0x1/0x2 [ext4]\nCharged to memcg /\n\n",
        {"memcg": "/", "frames": FRAMES},
    ),
}


@pytest.mark.parametrize("name", RECORDS)
def test_variant(name: str) -> None:
    # GIVEN a record in that format
    text, told = RECORDS[name]
    # WHEN it is read
    parsed = read_pages(text)
    # THEN it has these columns, and no line is unknown
    assert len(parsed.rows) == 1
    assert {column: parsed.rows[0][column] for column in told} == told
    assert parsed.rejects == []


def test_variants_one_after_the_other() -> None:
    parsed = read_pages(b"".join(text for text, _ in RECORDS.values()))
    assert [row["frames"] for row in parsed.rows] == [told["frames"] for _, told in RECORDS.values()]
    assert parsed.rejects == []


def test_the_same_stack_printed_with_and_without_addresses_is_one_stack() -> None:
    parsed = read_pages(RECORDS["3.x vendor"][0] + RECORDS["QCOM 5.4"][0] + RECORDS["openEuler OLK-5.10"][0])
    assert [stack.frames for stack in parsed.stacks] == [FRAMES]


def test_the_pid_of_the_first_line_precedes_a_pid_line() -> None:
    (row,) = read_pages(HEADER + b"PID 99\n\n").rows
    assert row["pid"] == 1


def test_dmesg_and_freed_page_reports_are_not_records() -> None:
    # GIVEN output of __dump_page_owner() in the kernel log
    text = (
        b"page last allocated via order 0, migratetype Movable, gfp_mask 0x8(x), pid 1, tgid 1 (a), ts 5, free_ts 3\n\n"
    )
    # WHEN it is read
    parsed = read_pages(text)
    # THEN it is rejected as other text
    assert parsed.rows == []
    assert parsed.notes == [("text before the first record", text)]
