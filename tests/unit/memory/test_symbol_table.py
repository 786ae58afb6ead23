# SPDX-License-Identifier: LGPL-2.1-or-later
"""Symbols: the text of an address as %pS prints it, in the kernel and in modules."""

import pytest

from spo_trace.memory.problem import Problem
from spo_trace.memory.symbol_table import ModuleText, Symbol, SymbolTable, in_kallsyms

KERNEL = [Symbol(0x1000, b"_text"), Symbol(0x1000, b"startup"), Symbol(0x1040, b"work"), Symbol(0x2000, b"_end")]
MODULE = ModuleText(0x9000, 0x9800, [Symbol(0x9010, b"init", b"loop"), Symbol(0x9100, b"ioctl", b"loop")])


@pytest.mark.parametrize(
    ("address", "text"),
    [
        # Of two names of one address, the first is printed.
        (0x1004, b"_text+0x4/0x40"),
        (0x1040, b"work+0x0/0xfc0"),
        (0x1FFF, b"work+0xfbf/0xfc0"),
        # Outside of all symbols
        (0xFFF, b"0xfff"),
        (0x2000, b"0x2000"),
        # A module's last function ends where the module does, and its start may have no symbol.
        (0x9010, b"init+0x0/0xf0 [loop]"),
        (0x9107, b"ioctl+0x7/0x700 [loop]"),
        (0x9001, b"0x9001"),
        (0x9800, b"0x9800"),
    ],
)
def test_addresses_are_printed_as_the_kernel_does(address: int, text: bytes) -> None:
    assert SymbolTable(KERNEL, [MODULE]).text(address) == text


def test_a_missing_symbol_names_what_is_needed() -> None:
    assert SymbolTable(KERNEL).find("nothing") is None
    with pytest.raises(Problem, match="symbols lack nothing") as caught:
        SymbolTable(KERNEL).address("nothing")
    assert caught.value.hint is not None and "CONFIG_KALLSYMS_ALL=y" in caught.value.hint


def test_kallsyms() -> None:
    lines = [b"ffffffff81000000 T _text\n", b"ffffffffc0000000 t init\t[loop]\n", b"damaged\n", b"zz T x\n"]
    assert in_kallsyms(lines) == [
        Symbol(0xFFFFFFFF81000000, b"_text"),
        Symbol(0xFFFFFFFFC0000000, b"init", b"loop"),
    ]
    with pytest.raises(Problem, match="kallsyms has no addresses"):
        in_kallsyms([b"0000000000000000 T _text\n"])
