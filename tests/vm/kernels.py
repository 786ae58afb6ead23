# SPDX-License-Identifier: LGPL-2.1-or-later
"""Locations of the kernels that guests boot."""

import os
from pathlib import Path

__all__ = ["KernelMissing", "cache_directory", "directories", "find", "find_arm64", "module_of"]


class KernelMissing(LookupError):
    """The kernel is missing; the message contains the searched directories and how to build it."""


def cache_directory() -> Path:
    """Return the directory of kernels and sources built by `make vm-kernel`, in the user's cache directory."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return base / "spo-trace" / "kernels"


def directories() -> list[Path]:
    """Return the directories with kernels, in the order of the search."""
    told = os.environ.get("SPO_TRACE_KERNELS")
    return [*([Path(told)] if told else []), cache_directory()]


def find(name: str) -> Path:
    """Return the bzImage of the kernel `name` (7.2-spo, 6.12-stock …) or raise KernelMissing."""
    version, _, flavour = name.partition("-")
    build = f"VERSION={version} tests/vm/kernel/build.sh {flavour}"
    return _find(f"bzImage-{name}", f"set SPO_TRACE_KERNELS, or build it: {build}")


def find_arm64(name: str) -> Path:
    """Return the compressed Image of the kernel `name` (7.2-arm64-64k …) or raise KernelMissing."""
    return _find(f"Image-{name}.gz", "set SPO_TRACE_KERNELS, or build it: tests/vm/arm64/README.md")


def _find(file: str, hint: str) -> Path:
    for directory in directories():
        if (directory / file).is_file():
            return (directory / file).resolve()
    raise KernelMissing(f"no {file} in {', '.join(map(str, directories()))}: {hint}")


def module_of(kernel: Path) -> Path | None:
    """Return the module spo_hold that was built with a kernel, or None."""
    path = kernel.with_name(f"{kernel.name.replace('bzImage', 'spo_hold', 1)}.ko")
    return path if path.is_file() else None
