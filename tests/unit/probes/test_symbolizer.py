# SPDX-License-Identifier: LGPL-2.1-or-later
"""Addresses as %pS prints them."""

import pytest

from spo_trace.errors import SpoTraceError
from spo_trace.probes.symbolizer import Symbolizer

KALLSYMS = """\
ffffffff81000000 T _text
ffffffff81000000 T startup_64
ffffffff81001000 T alloc_pages_mpol
ffffffff81001157 t folio_prealloc.isra.0
ffffffff81002000 T do_swap_page
ffffffff81003000 D _end
ffffffffc0001000 t ext4_readpages\t[ext4]
ffffffffc0001080 t ext4_last\t[ext4]
ffffffffc0100000 t bpf_prog_6deef7357e7b4530_sd_devices\t[bpf]
ffffffffc0100040 t bpf_prog_next\t[bpf]
""".splitlines(keepends=True)
MODULES = ["ext4 8192 1 - Live 0xffffffffc0000000\n"]


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (0xFFFFFFFF81001098, "alloc_pages_mpol+0x98/0x157"),
        (0xFFFFFFFF81001157, "folio_prealloc.isra.0+0x0/0xea9"),
        (0xFFFFFFFF81002FFF, "do_swap_page+0xfff/0x1000"),
        # kallsyms_lookup() takes the first of the names that share an address.
        (0xFFFFFFFF81000010, "_text+0x10/0x1000"),
        (0xFFFFFFFFC0001004, "ext4_readpages+0x4/0x80 [ext4]"),
        # The last symbol of a module ends with the module.
        (0xFFFFFFFFC0001090, "ext4_last+0x10/0xf80 [ext4]"),
        (0xFFFFFFFFC0100010, "bpf_prog_6deef7357e7b4530_sd_devices+0x10/0x40"),
        (0x10, "0x10"),
        (0xFFFFFFFFC0003000, "0xffffffffc0003000"),
    ],
)
def test_an_address(address: int, text: str) -> None:
    assert Symbolizer(KALLSYMS, MODULES).frame(address) == text


def test_a_stack_has_the_lines_of_the_kernel() -> None:
    block = Symbolizer(KALLSYMS).block((0xFFFFFFFF81001098, 0xFFFFFFFF81002001))
    assert block == b" alloc_pages_mpol+0x98/0x157\n do_swap_page+0x1/0x1000\n"


@pytest.mark.parametrize(("name", "known"), [("do_swap_page", True), ("ext4_last", True), ("do_swap", False)])
def test_a_name_is_known_or_not(name: str, known: bool) -> None:
    assert Symbolizer(KALLSYMS, MODULES).knows(name) is known


def test_hidden_addresses_are_an_error() -> None:
    with pytest.raises(SpoTraceError, match="hides the kernel's addresses"):
        Symbolizer(["0000000000000000 T _text\n", "0000000000000000 T startup_64\n"])
