# SPDX-License-Identifier: LGPL-2.1-or-later
"""The list of cgroups in a capture."""

from spo_trace.formats.cgroups import Cgroup, parse_cgroups

# /proc/cgroups, which an archive of a whole machine may have under the same name.
OF_PROC = b"#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t0\t87\t1\n"


def test_each_line_is_a_cgroup() -> None:
    text = b"1 - /\n7 0 /a b), c\n18446744073709551615 4096 /x/y \n"
    assert list(parse_cgroups(text)) == [
        Cgroup(1, b"/", None),
        Cgroup(7, b"/a b), c", 0),
        Cgroup((1 << 64) - 1, b"/x/y ", 4096),
    ]


def test_other_lines_are_left_out() -> None:
    assert list(parse_cgroups(OF_PROC + b"7 max /a\n7 0 a\n-7 0 /a\n7 0\n99999999999999999999 0 /a\n" + b"8 0 /")) == [
        Cgroup(8, b"/", 0)
    ]
