# SPDX-License-Identifier: LGPL-2.1-or-later
"""/proc/allocinfo, as lib/alloc_tag.c (6.10 to 7.2) and lib/codetag.c print it."""

import pytest

from spo_trace.formats.allocinfo import is_allocinfo, parse_allocinfo
from spo_trace.formats.record import Reject
from spo_trace.formats.rows import SiteRow

HEAD = b"allocinfo - version: 1.0\n#     <size>  <calls> <tag info>\n"


def line(size: int, calls: int, site: bytes) -> bytes:
    """Return a line as alloc_tag_to_text() prints it, with a blank at its end."""
    return b"%12d %8d %b \n" % (size, calls, site)


def parsed(text: bytes) -> tuple[list[SiteRow], list[Reject]]:
    rejects: list[Reject] = []
    return list(parse_allocinfo(text, rejects.append)), rejects


@pytest.mark.parametrize(
    ("site", "row"),
    [
        (b"mm/slub.c:3061 func:alloc_slab_page", ("mm/slub.c", 3061, None, "alloc_slab_page", 4096, 1, True)),
        (b"fs/xfs/a.c:87 [xfs] func:xfs_uuid_mount", ("fs/xfs/a.c", 87, "xfs", "xfs_uuid_mount", 4096, 1, True)),
        (b"/build/m.c:1 [m] func:f accurate:no", ("/build/m.c", 1, "m", "f", 4096, 1, False)),
        (b"a\xff.c:1 func:f\\", ("a\\377.c", 1, None, "f\\\\", 4096, 1, True)),
    ],
)
def test_a_line_is_a_site(site: bytes, row: tuple[object, ...]) -> None:
    assert parsed(HEAD + line(4096, 1, site)) == ([SiteRow(*row)], [])  # type: ignore[arg-type]


def test_numbers_can_be_wider_than_their_columns_and_negative() -> None:
    rows, rejects = parsed(HEAD + line(-8, 0, b"a.c:1 func:f") + line(1 << 50, 1 << 40, b"b.c:2 func:g"))
    assert [(row.bytes, row.calls) for row in rows] == [(-8, 0), (1 << 50, 1 << 40)]
    assert rejects == []


@pytest.mark.parametrize("wrong", [b"x\n", b"   1  2\n", line(1 << 53, 1, b"a.c:1 func:f"), line(1, 1, b"a.c func:f")])
def test_other_lines_are_rejected_with_their_place(wrong: bytes) -> None:
    good = line(1, 1, b"a.c:1 func:f")
    rows, (reject,) = parsed(HEAD + good + wrong + good)
    assert len(rows) == 2
    assert (reject.line, reject.offset, reject.text) == (4, len(HEAD + good), wrong)


@pytest.mark.parametrize(
    ("head", "known"),
    [(HEAD, True), (HEAD.replace(b"1.0", b"2.0"), True), (HEAD.replace(b"1.0", b"3.0"), False), (b"", False)],
)
def test_the_version_is_checked(head: bytes, known: bool) -> None:
    assert is_allocinfo(head) is known
