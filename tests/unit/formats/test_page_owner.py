# SPDX-License-Identifier: LGPL-2.1-or-later
"""page_owner: a record of each mainline format, and the column of each of its fields."""

from typing import Any

import pytest

from spo_trace import schema
from spo_trace.formats.reasons import Reason
from tests.unit.formats.reading import HEADER, read_pages

FRAMES = (
    "get_page_from_freelist+0x1a2/0x1b0",
    "ip_rcv+0x1/0x2 [ip]",
    "0xffffffffc0123456",
)
STACK = b" get_page_from_freelist+0x1a2/0x1b0\n ip_rcv+0x1/0x2 [ip]\n 0xffffffffc0123456\n"
STACK_WITH_ADDRESSES = (
    b" [<ffffffff811682c8>] get_page_from_freelist+0x1a2/0x1b0\n"
    b" [<ffffffffc0001234>] ip_rcv+0x1/0x2 [ip]\n [<ffffffffc0123456>] 0xffffffffc0123456\n"
)
NOTHING = dict.fromkeys(name for name in schema.PAGES.names if name != "stack_id")
GFP = {"order": 2, "gfp_mask": 0x24200CA, "gfp_flags": "GFP_HIGHUSER_MOVABLE|__GFP_COMP"}
PLACE = {
    "pfn": 4660,
    "migratetype": "Movable",
    "pageblock_migratetype": "HighAtomic",
    "page_flags": 0x17FFFFC000006C,
    "page_flag_names": "referenced|uptodate",
    "slab": False,
    "swapped": False,
    "frames": FRAMES,
}
FIRST = b"Page allocated via order 2, mask 0x24200ca(GFP_HIGHUSER_MOVABLE|__GFP_COMP)"
OLD_PLACE = b"PFN 4660 type Movable Block 9 type HighAtomic Flags 0x17ffffc000006c(referenced|uptodate)\n"
PLACE_DEC = b"PFN 4660 type Movable Block 9 type HighAtomic Flags 0x17ffffc000006c(referenced|uptodate|%s)\n"
PLACE_HEX = PLACE_DEC.replace(b"4660", b"0x1234")
FIELDS = b"section=9|node=1|zone=2|lastcpupid=0x1fffff|kasantag=0xff"
NODE_1 = {"node": 1, "zone": 2}
OWNER = {"pid": 1201, "tgid": 1200, "comm": "kworker/u9:2", "ts_nsec": 13255427451}

RECORDS = {
    "A, 3.19": (
        b"Page allocated via order 2, mask 0x24200ca\n"
        b"PFN 4660 Block 9 type 2 Fallback Flags  ER   A     \n" + STACK_WITH_ADDRESSES + b"\n",
        {"order": 2, "gfp_mask": 0x24200CA, "pfn": 4660, "pageblock_migratetype": "2", "slab": False, "swapped": False}
        | {"page_flag_names": "error|referenced|active", "frames": FRAMES},
    ),
    "A, no fallback, all flags": (
        b"Page allocated via order 2, mask 0x24200ca\nPFN 4660 Block 9 type 0          Flags KERUDLASWCBM\n\n",
        {"order": 2, "gfp_mask": 0x24200CA, "pfn": 4660, "pageblock_migratetype": "0", "slab": False, "swapped": False}
        | {
            "page_flag_names": "locked|error|referenced|uptodate|dirty|lru|active|slab|writeback|compound|swapcache"
            "|mappedtodisk",
            "frames": (),
        },
    ),
    "B, 4.9 with addresses": (FIRST + b"\n" + OLD_PLACE + STACK_WITH_ADDRESSES + b"\n", GFP | PLACE),
    "B, 4.12": (FIRST + b"\n" + OLD_PLACE + STACK + b"\n", GFP | PLACE),
    "C, 5.11": (
        FIRST + b", pid 1201, ts 13255427451 ns\n" + OLD_PLACE + STACK + b"\n",
        GFP | PLACE | {"pid": 1201, "ts_nsec": 13255427451},
    ),
    "D, 5.15": (
        FIRST + b", pid 1201, ts 13255427451 ns, free_ts 77 ns\n" + PLACE_DEC % FIELDS + STACK + b"\n",
        GFP | PLACE | NODE_1 | {"pid": 1201, "ts_nsec": 13255427451, "free_ts_nsec": 77},
    ),
    "E, 5.18": (
        FIRST + b", pid 1201, tgid 1200 (kworker/u9:2), ts 13255427451 ns, free_ts 0 ns\n"
        + PLACE_DEC % FIELDS + STACK + b"\n",
        GFP | PLACE | NODE_1 | OWNER | {"free_ts_nsec": 0},
    ),
    "E, 6.6": (
        FIRST + b", pid 1201, tgid 1200 (kworker/u9:2), ts 13255427451 ns, free_ts 77 ns\n"
        + PLACE_HEX % FIELDS + STACK + b"\n",
        GFP | PLACE | NODE_1 | OWNER | {"free_ts_nsec": 77},
    ),
    "F, 7.2": (
        FIRST + b", pid 1201, tgid 1200 (kworker/u9:2), ts 13255427451 ns\n" + PLACE_HEX % FIELDS + STACK + b"\n",
        GFP | PLACE | NODE_1 | OWNER,
    ),
    "F, swapped": (
        FIRST + b", pid 1201, tgid 1200 (kworker/u9:2), ts 13255427451 ns (swapped)\n"
        + PLACE_HEX % FIELDS + STACK + b"\n",
        GFP | PLACE | NODE_1 | OWNER | {"swapped": True},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDS)
def test_every_column_of_a_record(name: str) -> None:
    # GIVEN a record of that kernel
    text, told = RECORDS[name]
    # WHEN it is read
    parsed = read_pages(text)
    # THEN each column has the value in the text, null if the text has none
    assert parsed.rows == [NOTHING | told]
    assert parsed.rejects == []


def place_of(flags: bytes) -> dict[str, Any]:
    return read_pages(HEADER.replace(b"Flags 0x0()", b"Flags " + flags) + b"\n").rows[0]


@pytest.mark.parametrize(
    ("flags", "names", "node", "zone"),
    [
        (b"0x0()", "", None, None),
        (b"0x4(referenced|node=0|zone=0)", "referenced", 0, 0),
        (b"0x4(node=0|zone=3)", "", 0, 3),
        (b"0x4(referenced|node=32767|0x4000)", "referenced|0x4000", 32767, None),
        (b"0x4(node=32768|zone=1)", "", None, 1),
        (b"0x4(node=-1|zone=)", "", None, None),
        (b"0x4(node=" + b"9" * 5000 + b"|zone=1)", "", None, 1),
        (b"0x4(lru|)", "lru|", None, None),
        (b"0x4(lru|node=1|zone=2|lastcpupid=0x1f)", "lru", 1, 2),
        (b"0x4(lastcpupid=0x1f)", "", None, None),
        (b"0x4(zone=2|lastcpupid=0x1f|kasantag=0xff)", "", None, 2),
        (b"0x4(lastcpupid=0x1f|node=3)", "", 3, None),
    ],
)
def test_fields_among_the_flags(flags: bytes, names: str, node: int | None, zone: int | None) -> None:
    row = place_of(flags)
    assert (row["page_flag_names"], row["node"], row["zone"]) == (names, node, zone)


@pytest.mark.parametrize(
    ("field", "largest", "over", "column", "value"),
    [
        (b"order 0", b"order 22", b"order 23", "order", 22),
        (b"order 0", b"order 22", b"order 30", "order", 22),
        (b"order 0", b"order 22", b"order " + b"9" * 100_000, "order", 22),
        (b"mask 0x0", b"mask 0xffffffff", b"mask 0x100000000", "gfp_mask", 2**32 - 1),
        (b"ts 5", b"ts 9223372036854775807", b"ts 9223372036854775808", "ts_nsec", 2**63 - 1),
        (b"ts 5", b"ts 9223372036854775807", b"ts " + b"1" * 60, "ts_nsec", 2**63 - 1),
        (b"pid 1", b"pid -1", b"pid 9999999999", "pid", -1),
        (b"PFN 0x1", b"PFN 0x7fffffffffffffff", b"PFN 0x8000000000000000", "pfn", 2**63 - 1),
        (b"PFN 0x1", b"PFN 9223372036854775807", b"PFN 9223372036854775808", "pfn", 2**63 - 1),
        (b"Flags 0x0", b"Flags 0xffffffffffffffff", b"Flags 0x1ffffffffffffffff", "page_flags", 2**64 - 1),
    ],
)
def test_a_value_above_the_maximum_loses_only_its_record(
    field: bytes, largest: bytes, over: bytes, column: str, value: int
) -> None:
    # GIVEN a record with the largest valid value, one with a larger value, and a plain one
    texts = [HEADER.replace(field, number, 1) + b"\n" for number in (largest, over, field)]
    # WHEN they are read
    parsed = read_pages(b"".join(texts))
    # THEN only the second is lost, or only the values of its PFN line
    values = [value, read_pages(texts[2]).rows[0][column]]
    if column in ("pfn", "page_flags"):
        assert [row[column] for row in parsed.rows] == [values[0], None, values[1]]
        assert [reject.code for reject in parsed.rejects] == [Reason.PFN_LINE]
        return
    assert [row[column] for row in parsed.rows] == values
    assert [reject.text for reject in parsed.rejects] == [texts[1]]
    assert parsed.rejects[0].lost


def test_a_lost_record_adds_no_stack_and_no_note() -> None:
    # GIVEN a record with an unknown line, whose last field of the first line is out of range
    text = HEADER.replace(b"5 ns", b"5 ns, free_ts 18446744073709551616 ns") + b" lost+0x1/0x2\nwhat is this\n\n"
    # WHEN it is read
    parsed = read_pages(text)
    # THEN it is one reject, and its stack is not in the table
    assert parsed.lost == ["free_ts is out of range"]
    assert parsed.notes == []
    assert len(parsed.stacks) == 0


@pytest.mark.parametrize(
    ("old", "new", "reason", "line", "at"),
    [
        (b", mask", b", musk", Reason.FIRST_LINE, 1, 0),
        (b"Page allocated via order 0", b"Page allocated via pid 0", Reason.FIRST_LINE, 1, 0),
        (b"ts 5 ns", b"ts 99999999999999999999 ns", Reason.TS_RANGE, 1, 63),
        (b"order 0", b"order 77", Reason.ORDER_RANGE, 1, 25),
    ],
)
def test_a_reject_has_a_reason_and_a_place(old: bytes, new: bytes, reason: Reason, line: int, at: int) -> None:
    # GIVEN a good record, then a bad one
    good = HEADER + b" a+0x1/0x2\n\n"
    bad = good.replace(old, new, 1)
    # WHEN they are read
    (reject,) = read_pages(good + bad).rejects
    # THEN the reject points into the second
    assert reject == ("page_owner", len(good) + at, 4 + line, reason, bad, True, 1)
