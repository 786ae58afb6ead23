# SPDX-License-Identifier: LGPL-2.1-or-later
"""The compiled collector (native/collect), built by hatch_build.py where there is a C compiler."""

import struct
from pathlib import Path
from typing import NamedTuple

__all__ = ["PATH", "Program", "program"]

PATH = Path(__file__).with_name("spo-collect")

# e_machine of include/uapi/linux/elf-em.h, by the names of uname -m.
_MACHINES = {3: "i386", 21: "ppc64", 22: "s390x", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}

# Program headers of a dynamic program name its interpreter (include/uapi/linux/elf.h).
_PT_INTERP = 3


class Program(NamedTuple):
    """Hold an executable file: its content, the architecture it runs on, and whether it needs no other file."""

    content: bytes
    architecture: str
    is_static: bool


def program(path: Path = PATH) -> Program | None:
    """Return the collector; None if spo-trace was built without it."""
    try:
        content = path.read_bytes()
        return Program(content, *_described(content))
    except (OSError, IndexError, struct.error):
        return None


# Of files of 64 and of 32 bits: where the program headers begin, the size of one, and how many there are.
def _described(content: bytes) -> tuple[str, bool]:
    is_64, order = content[4] == 2, "<" if content[5] == 1 else ">"
    (machine,) = struct.unpack_from(f"{order}H", content, 18)
    (start,) = struct.unpack_from(f"{order}{'Q' if is_64 else 'I'}", content, 32 if is_64 else 28)
    size, count = struct.unpack_from(f"{order}HH", content, 54 if is_64 else 42)
    kinds = [struct.unpack_from(f"{order}I", content, start + number * size)[0] for number in range(count)]
    return _MACHINES.get(machine, f"ELF machine {machine}"), _PT_INTERP not in kinds
