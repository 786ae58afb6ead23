# SPDX-License-Identifier: LGPL-2.1-or-later
"""The framed oracle over hostile records with known answers."""

import pytest

from tests.oracle.framed import Record, escape, memory, pages_by_comm, pages_by_memcg, swap

HOSTILE = [
    b"",
    b"dd",
    b"x), ts 9 ns",
    b"ns (swapped)",
    b"new\nline",
    b"a\n\nb",
    b"\nPFN 0x1 ",
    b"\n a+0x1/0x2",
    b"\nPage alloc",
    b"), ts 1 ns\nPFN",
    b", tgid 1 (x",
    b"\n\nSWP entry 0x",
    b"na\xc3\xafve \xff\xfe",
    b'tab\tq"\\\x1b[1m',
]


def page(comm: bytes, order: int = 0, pfn: int = 0x100, mark: bytes = b"", last: bytes = b"") -> bytes:
    """Return a page_owner record in the format of 7.2."""
    header = b"Page allocated via order %d, mask 0xcc0(GFP_KERNEL), pid 7, tgid 7 (%b), ts 5 ns%b\n"
    flags = b"PFN 0x%x type Unmovable Block 0 type Unmovable Flags 0x0(node=0|zone=0)\n a+0x1/0x2\n%b\n"
    return header % (order, comm, mark) + flags % (pfn, last)


def entry(comm: bytes, number: int = 1) -> bytes:
    """Return a swap_page_owner record."""
    return b"Page allocated via pid 7, tgid 7 (%b), ts 5 ns\nSWP entry 0x%x\n a+0x1/0x2\n\n" % (comm, number)


@pytest.mark.parametrize("comm", HOSTILE)
@pytest.mark.parametrize("mark", [b"", b" (swapped)"])
def test_a_page_record_is_read_with_any_comm(comm: bytes, mark: bytes) -> None:
    expected = Record(comm, pages=8, number=0x4008, ts_nsec=5, swapped=bool(mark), memcg=b"")
    assert memory(page(comm, 3, 0x4008, mark) + page(b"z")) == [
        expected,
        Record(b"z", 1, 0x100, 5, False, b""),
    ]


@pytest.mark.parametrize("comm", HOSTILE)
def test_a_swap_record_is_read_with_any_comm(comm: bytes) -> None:
    # 0x400000000000001: swap type 1, above 2**53
    assert swap(entry(comm, 0x400000000000001)) == [Record(comm, 1, 0x400000000000001, 5, False, b"")]


def test_all_hostile_comms_together() -> None:
    text = b"".join(page(comm, order) for order, comm in enumerate(HOSTILE))
    swapped_out = b"".join(entry(comm) for comm in HOSTILE[:3])
    expected = {comm: (1 << order, int(order < 3)) for order, comm in enumerate(HOSTILE)}
    assert pages_by_comm(memory(text), swap(swapped_out)) == expected


def test_free_ts_and_a_decimal_pfn_of_older_kernels() -> None:
    old = page(b"dd").replace(b"ts 5 ns", b"ts 5 ns, free_ts 3 ns").replace(b"PFN 0x100", b"PFN 256")
    assert memory(old) == [Record(b"dd", 1, 256, 5, False, b"")]


def test_pages_are_summed_by_memcg_line() -> None:
    lines = [b"Charged to memcg a b), c\n", b"Slab cache page\n", b"Charged to memcg a b), c\n", b""]
    text = b"".join(page(b"dd", order, last=line) for order, line in enumerate(lines))
    assert pages_by_memcg(memory(text)) == {b"Charged to memcg a b), c": 5, b"Slab cache page": 2, b"": 8}


def test_empty_input_has_an_empty_result() -> None:
    assert memory(b"") == swap(b"") == []


@pytest.mark.parametrize(
    ("comm", "text"),
    [
        (b"kworker/1:0", "kworker/1:0"),
        (b"new\nline", "new\\nline"),
        (b"na\xc3\xafve \xff\xfe", "naïve \\377\\376"),
        (b'tab\tq"\\\x1b[1m', 'tab\\011q"\\\\\\033[1m'),
        (b"\xe2\x80\xa8", "\\342\\200\\250"),  # U+2028, a line separator
        (b"cut \xc3", "cut \\303"),
    ],
)
def test_comms_are_escaped(comm: bytes, text: str) -> None:
    assert escape(comm) == text
