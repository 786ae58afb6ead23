# SPDX-License-Identifier: LGPL-2.1-or-later
"""The addresses in /proc/kallsyms, however its lines are divided into parts."""

from pathlib import Path

import pytest

from spo_trace.memory.symbols import KernelSymbols

KALLSYMS = b"""\
0000000000000000 A fixed_percpu_data
ffffffff81001000 T swap_writeout
ffffffff81002000 t local
ffffffff81003000 t other
ffffffff81004000 t local
ffffffffc0001000 t local\t[zram]
ffffffffc0002000 T swap_writeout\t[zram]
ffffffffc0003000 t only_in_a_module\t[zram]
ffffffffc0004000 t bpf_prog_1\t[bpf]
"""
WANTED = ("fixed_percpu_data", "swap_writeout", "local", "only_in_a_module", "nothing")


@pytest.mark.parametrize("size", [1, 7, 36, 100, 1 << 16])
def test_symbols_of_the_kernel_without_those_of_modules(size: int) -> None:
    parts = [KALLSYMS[at : at + size] for at in range(0, len(KALLSYMS), size)]
    symbols = KernelSymbols(parts, WANTED)
    assert symbols.names() == {"fixed_percpu_data", "swap_writeout", "local"}
    assert symbols.all_of("local") == [0xFFFFFFFF81002000, 0xFFFFFFFF81004000]
    assert symbols.find("swap_writeout") == 0xFFFFFFFF81001000
    assert (symbols.find("nothing"), symbols.all_of("only_in_a_module")) == (None, [])


def test_the_running_kernel() -> None:
    path = Path("/proc/kallsyms")
    wanted = {"schedule", "vfs_read", "mem_section", "stack_pools"}
    lines = [line.split() for line in path.read_text().splitlines()]
    expected = [(name, int(address, 16)) for address, _, name, *module in lines if name in wanted and not module]
    if not any(address for _, address in expected):
        pytest.skip("/proc/kallsyms hides the kernel's addresses")
    symbols = KernelSymbols([path.read_bytes()], wanted)
    assert sorted((name, at) for name in symbols.names() for at in symbols.all_of(name)) == sorted(expected)
