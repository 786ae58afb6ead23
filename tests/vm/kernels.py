# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the kernels are that the guests boot."""

import os
from pathlib import Path

__all__ = ["KernelMissing", "cache_directory", "directories", "find"]


class KernelMissing(LookupError):
    """There is no such kernel; the message says where it was looked for, and what builds it."""


def cache_directory() -> Path:
    """Return where `make vm-kernel` puts kernels and sources: below the user's cache directory."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return base / "spo-trace" / "kernels"


def directories() -> list[Path]:
    """Return the directories with kernels, in the order in which they are looked through."""
    told = os.environ.get("SPO_TRACE_KERNELS")
    return [*([Path(told)] if told else []), cache_directory()]


def find(name: str) -> Path:
    """Return the bzImage of the kernel `name` (7.2-spo, 6.12-stock …) or raise KernelMissing."""
    for directory in directories():
        path = directory / f"bzImage-{name}"
        if path.is_file():
            return path.resolve()
    looked = ", ".join(map(str, directories()))
    version, _, flavour = name.partition("-")
    hint = f"set SPO_TRACE_KERNELS, or build it: VERSION={version} tests/vm/kernel/build.sh {flavour}"
    raise KernelMissing(f"no bzImage-{name} in {looked}: {hint}")
