# SPDX-License-Identifier: LGPL-2.1-or-later
"""The BPF program, compiled for a machine that may not be this one."""

import subprocess
from pathlib import Path

__all__ = ["compile_bpf"]

_SOURCE = Path(__file__).parents[1] / "bpf" / "swap_owner.c"


def compile_bpf(output: Path, machine: str) -> None:
    """Compile it with clang for x86_64 or aarch64, as hatch_build.py does."""
    flags = ("-target", "bpf", "-O2", "-g", "-Wall", "-Wextra", "-Werror", f"-DTARGET_{machine}")
    subprocess.run(["clang", *flags, "-c", str(_SOURCE), "-o", str(output)], check=True)
