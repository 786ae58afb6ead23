# SPDX-License-Identifier: LGPL-2.1-or-later
"""Symbols: the text of an address as %pS prints it, in the kernel and in modules."""

from io import BytesIO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spo_trace.limits import MAX_SYMBOL_NAME_BYTES
from spo_trace.memory import sorted_symbols
from spo_trace.memory.problem import Problem
from spo_trace.memory.sorted_symbols import SortedSymbols
from spo_trace.memory.symbol_table import ModuleText, SymbolTable, in_kallsyms, lines_in
from tests.dumps import small_kernel, symbols_of
from tests.unit.memory.plain_symbols import PlainSymbol, PlainTable, plain_kallsyms

KERNEL = [(0x1000, b"_text"), (0x1000, b"startup"), (0x1040, b"work"), (0x2000, b"_end")]
MODULE = ModuleText(0x9000, 0x9800, b"loop", SortedSymbols([(0x9010, b"init"), (0x9100, b"ioctl")]))


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
    table = SymbolTable(KERNEL)
    table.set_modules([MODULE])
    assert table.text(address) == text


def test_a_missing_symbol_names_what_is_needed() -> None:
    assert SymbolTable(KERNEL).find("nothing") is None
    with pytest.raises(Problem, match="symbols lack nothing") as caught:
        SymbolTable(KERNEL).address("nothing")
    assert caught.value.hint is not None and "CONFIG_KALLSYMS_ALL=y" in caught.value.hint


def test_a_name_is_found_whole() -> None:
    table = SymbolTable([(1, b"early_max_pfn"), (2, b"max_pfn_mapped"), (3, b"max_pfn"), (4, b"max_pfn")])
    assert [table.find(name) for name in ("max_pfn", "max", "pfn", "early_max_pfn")] == [3, None, None, 1]


# Small, so that addresses and names are there more than once.
ADDRESSES = st.integers(0, 24)
NAMES = st.sampled_from([b"a", b"b", b"ab", b"aba", b"[x]", b"\xff"])
LISTS = st.lists(st.tuples(ADDRESSES, NAMES), max_size=12)


@given(LISTS, LISTS, st.tuples(ADDRESSES, ADDRESSES))
@example([(5, b"b"), (2, b"a"), (5, b"a"), (2, b"ab")], [(20, b"b"), (19, b"a")], (19, 24))
def test_arrays_answer_as_objects_do(
    kernel: list[tuple[int, bytes]], module: list[tuple[int, bytes]], text: tuple[int, int]
) -> None:
    # GIVEN symbols in any order
    start, end = sorted(text)
    inside = [one for one in module if start <= one[0] < end]
    table = SymbolTable(kernel)
    table.set_modules([ModuleText(start, end, b"loop", SortedSymbols(inside))])
    symbols = sorted((PlainSymbol(*one, b"loop") for one in inside), key=lambda symbol: symbol.address)
    plain = PlainTable([PlainSymbol(*one) for one in kernel], [(start, end, symbols)])
    # THEN
    assert [table.text(address) for address in range(26)] == [plain.text(address) for address in range(26)]
    for name in ("a", "b", "ab", "aba", "ba", ""):
        assert table.find(name) == plain.find(name)


def test_all_symbols_of_a_real_kernel() -> None:
    # GIVEN what /proc/kallsyms has on a kernel of 89,601 symbols, as text
    symbols = symbols_of(small_kernel())
    text = b"".join(b"%016x t %b\n" % one for one in symbols) + b"ffffffffc0000000 t page_ext_size\t[module]\n"
    table = SymbolTable(in_kallsyms(lines_in(BytesIO(text))))
    plain = PlainTable((one for one in plain_kallsyms(text) if not one.module), [])
    assert len(table._kernel) == len(symbols) > 80_000
    # THEN each name is found, and all over the kernel addresses have the same text
    assert all(table.find(name) == plain.find(name) for name in ("page_ext_size", "max_pfn", "_text", "pff", "nothing"))
    assert all(table._kernel.find(name) == plain.find(name.decode()) for _, name in symbols[::400])
    for address, _ in symbols[:: len(symbols) // 40]:
        assert table.text(address + 5) == plain.text(address + 5)


@given(st.lists(st.text("0fF x[]T\t_-+\r\v", max_size=30), max_size=5))
@example(["ff T x", " FF\tt  x \r", "ff T x []", "ff T x\t[m]", "-1 T x", "1_0 T x", "0000000000000000f T x", "ff T"])
def test_any_text_of_kallsyms_is_understood_alike(lines: list[str]) -> None:
    text = "\n".join(lines).encode()
    expected = [(one.address, one.name) for one in plain_kallsyms(text) if not one.module]
    try:
        found = list(in_kallsyms(lines_in(BytesIO(text))))
    except Problem:
        assert not any(address for address, _ in expected)
        return
    assert found == expected


def test_kallsyms_that_hides_addresses() -> None:
    with pytest.raises(Problem, match="kallsyms has no addresses"):
        list(in_kallsyms([b"0000000000000000 T _text\n"]))


def test_hostile_names_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN names that no kernel has
    longest = b"x" * (MAX_SYMBOL_NAME_BYTES - 1)
    lines = b"1 T %b\n2 T %by\n3 T a\0b\n4 T c %b\n5 T d\n" % (longest, longest, b"z" * 100_000)
    assert list(in_kallsyms(lines_in(BytesIO(lines)))) == [(1, longest), (5, b"d")]
    assert max(map(len, lines_in(BytesIO(lines)))) <= 2 * MAX_SYMBOL_NAME_BYTES
    # AND more of them than any kernel has
    monkeypatch.setattr(sorted_symbols, "MAX_SYMBOL_BYTES", 1000)
    assert 40 < len(SortedSymbols((number, b"y" * 20) for number in range(10_000))) < 50
