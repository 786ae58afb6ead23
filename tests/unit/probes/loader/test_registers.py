# SPDX-License-Identifier: LGPL-2.1-or-later
"""The compiled kprobe programs read the registers in which the machine passes arguments; libbpf opens both objects."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from spo_trace.probes.loader.libbpf import BpfObject, system_libbpf
from tests.bpf_object import compile_bpf
from tests.unit.probes.loader.test_libbpf_program import PROGRAMS, has_libbpf

pytestmark = pytest.mark.skipif(shutil.which("clang") is None, reason="there is no clang")

# Of the first three arguments: rdi, rsi and rdx in struct pt_regs (arch/x86/include/uapi/asm/ptrace.h); x0, x1 and x2
# in struct user_pt_regs (arch/arm64/include/uapi/asm/ptrace.h), which is all that the kernel lets a program read.
OFFSETS = {"x86_64": (14 * 8, 13 * 8, 12 * 8), "aarch64": (0, 8, 16)}
# How many arguments each program uses.
USED = {"out": 1, "in": 1, "free_one": 1, "free_run": 2, "free_range": 3, "migrate": 2, "unmap": 2}


@pytest.fixture(scope="module", params=OFFSETS)
def compiled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Return the machine, and the object for it."""
    output = tmp_path_factory.mktemp("object") / "swap_owner.bpf.o"
    compile_bpf(output, request.param)
    return request.param, output


def context_reads(lines: list[str]) -> set[int]:
    """Return the offsets that a program reads in its context, which is in r1 when it starts."""
    holders, offsets = {"r1"}, set()
    for line in lines:
        if read := re.search(r"(r\d) = \*\(u64 \*\)\((r\d) \+ (0x[\da-f]+|\d+)\)$", line):
            if read[2] in holders:
                offsets.add(int(read[3], 0))
            holders.discard(read[1])
        elif copy := re.search(r"(r\d) = (r\d)$", line):
            (holders.add if copy[2] in holders else holders.discard)(copy[1])
        elif written := re.search(r"\b([rw]\d) [-+*/|&^<>]*= ", line):
            holders.discard(written[1].replace("w", "r"))
        elif "call " in line:
            holders -= {"r0", "r1", "r2", "r3", "r4", "r5"}
    return offsets


@pytest.mark.skipif(shutil.which("llvm-objdump") is None, reason="there is no llvm-objdump (Debian: llvm)")
def test_arguments_are_read_from_the_registers_of_the_machine(compiled: tuple[str, Path]) -> None:
    machine, path = compiled
    command = ["llvm-objdump", "-d", "--no-show-raw-insn", "--section=kprobe", str(path)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    parts = re.split(r"^[\da-f]+ <kprobe_(\w+)>:\n", text, flags=re.MULTILINE)[1:]
    found = {name: context_reads(body.splitlines()) for name, body in zip(parts[::2], parts[1::2], strict=True)}
    assert found == {name: set(OFFSETS[machine][:number]) for name, number in USED.items()}


@pytest.mark.skipif(not has_libbpf(), reason="this system has no libbpf")
def test_libbpf_opens_it_and_finds_each_program(compiled: tuple[str, Path]) -> None:
    opened = BpfObject(system_libbpf(), str(compiled[1]))
    assert len(opened.programs()) == 2 * len(PROGRAMS) + 1
    for name in PROGRAMS:
        assert opened.program(f"kprobe_{name}") and opened.program(f"fentry_{name}")
