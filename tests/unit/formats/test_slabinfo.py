# SPDX-License-Identifier: LGPL-2.1-or-later
"""/proc/slabinfo."""

from spo_trace.formats.record import Reject
from spo_trace.formats.rows import SlabCacheRow
from spo_trace.formats.slabinfo import parse_slabinfo

HEAD = (
    b"slabinfo - version: 2.1\n"
    b"# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> "
    b"<sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n"
)


def cache(name: bytes, slabs: int, pages: int = 1, active: int = 3, objects: int = 4, size: int = 1024) -> bytes:
    """Return a line as the kernel prints it (mm/slab_common.c)."""
    numbers = (active, objects, size, 4, pages, slabs, slabs)
    return name.ljust(17) + b" %6d %6d %6d %4d %4d : tunables    0    0    0 : slabdata %6d %6d      0\n" % numbers


def parsed(text: bytes) -> tuple[list[SlabCacheRow], list[Reject]]:
    """Return the rows and the rejects of a text."""
    rejects: list[Reject] = []
    return list(parse_slabinfo(text, rejects.append)), rejects


def test_caches() -> None:
    rows, rejects = parsed(
        HEAD + cache(b"dentry", 12, 2) + cache(b"my cache (x)", 3) + cache(b"a\x1b[1m" + b"n" * 60, 1)
    )
    assert not rejects
    assert rows[0] == SlabCacheRow("dentry", 3, 4, 1024, 4, 2, 12)
    assert [row.slab_cache for row in rows[1:]] == ["my cache (x)", "a\\033[1m" + "n" * 60]


def test_lines_of_another_form_are_rejected() -> None:
    for head, lines in ((HEAD, b"dentry 1 2 3\n"), (b"slabinfo - version: 3.0\n", b"")):
        rows, rejects = parsed(head + lines + cache(b"x", 1))
        assert [row.slab_cache for row in rows] == ["x"]
        assert [(one.line, one.offset) for one in rejects] == ([(3, len(HEAD))] if lines else [(1, 0)])


def test_debug_lines_of_old_kernels() -> None:
    # CONFIG_DEBUG_SLAB appends to each line
    line = cache(b"dentry", 12).replace(b"      0\n", b"      0 : globalstat 1 2 : cpustat 3 4\n")
    head = HEAD.replace(b"2.1\n", b"2.1 (statistics)\n")
    assert [row.slabs for row in parsed(head + line)[0]] == [12]


def test_a_long_line_takes_linear_time() -> None:
    assert len(parsed(HEAD + b"a " * 250_000 + b"\n" + cache(b"x", 1))[0]) == 1
