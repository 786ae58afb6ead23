# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stack frames in all formats."""

import pytest

from spo_trace.formats.frame import is_frame, parse_frames


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b" alloc_pages+0x28/0x50", "alloc_pages+0x28/0x50"),
        (b"alloc_pages+0x28/0x50", "alloc_pages+0x28/0x50"),
        (b"     alloc_pages+0x28/0x50", "alloc_pages+0x28/0x50"),
        (b" ip_rcv+0x1/0x2 [ip]", "ip_rcv+0x1/0x2 [ip]"),
        (b" vfs_read.isra.0.cold+0x1/0x2", "vfs_read.isra.0.cold+0x1/0x2"),
        (b" $x.12+0x1/0x2", "$x.12+0x1/0x2"),
        (b" 0xffffffffc0123456", "0xffffffffc0123456"),
        (b" 0xffffffffc0123456 [gone]", "0xffffffffc0123456 [gone]"),
        (b" [<ffffffff811682c8>] alloc_pages+0x28/0x50", "alloc_pages+0x28/0x50"),
        (b"[<c013f1a2>] alloc_pages+0x28/0x50 [m]", "alloc_pages+0x28/0x50 [m]"),
        (b" [<0000000000000000>] 0xffffffffffffffff", "0xffffffffffffffff"),
        (b"[0xc013f1a2] __alloc_pages+28", "__alloc_pages+28"),
        (b"   0xffff800080211ac8 <post_alloc_hook+452>:\tmov\tx0, x19", "post_alloc_hook+452"),
        (b"=> 0xffff800080211ac8 <post_alloc_hook+452>:\tmov\tx0, x19", "post_alloc_hook+452"),
        (b" _RNvXs_4core+0x1/0x2 [rust_mod abc123]", "_RNvXs_4core+0x1/0x2 [rust_mod abc123]"),
        (b" (null)", "(null)"),
        (b" caf\xc3\xa9+0x1/0x2", "café+0x1/0x2"),
    ],
)
def test_a_line_and_its_frame(line: bytes, text: str) -> None:
    assert is_frame(line)
    assert parse_frames(line + b"\n") == (text,)
    assert parse_frames(line) == (text,)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"Slab cache page",
        b"Charged to memcg a+0x1/0x2",
        b"handle: 5",
        b"alloc_pages",
        b"alloc_pages+0x28",
        b"alloc_pages+0x28/0x50 trailing",
        b"alloc_pages+0x28/0x50 []",
        b"+0x28/0x50",
        b"[<xyz>] alloc_pages+0x28/0x50 x",
        b"0x",
        b"0xffffG",
        b"\talloc_pages+0x28/0x50",
        b" what is this?\x1b[m ",
        b" caf\xc3\xa9+0x1/0x2 \xff",
        b" alloc_pages+0x28/0x50 ",
        b" alloc_pages+0x28/0x",
        b" alloc_p[  612.113412] usb 1-1: new device",
        b"[  612.113412]  alloc_pages+0x28/0x50",
        b" (something)",
        b"a+" * 50_000,
        b"[<" + b"f" * 100_000,
        b"a" * 100_000 + b"+0x",
    ],
)
def test_lines_that_are_not_frames(line: bytes) -> None:
    assert not is_frame(line)


def test_all_lines_of_a_stack() -> None:
    assert parse_frames(b"") == ()
    assert parse_frames(b" a+0x1/0x2\n\n [<c0>] b+0x1/0x2\n") == ("a+0x1/0x2", "b+0x1/0x2")


def test_a_line_that_is_too_long_for_a_symbol() -> None:
    # In a line of a megabyte, the search for an offset took as long as that for ten thousand frames.
    assert is_frame(b" " + b"f" * 900 + b"+0x1/0x2")
    assert not is_frame(b" " + b"f" * 1000 + b"+0x1/0x2")
