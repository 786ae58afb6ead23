# SPDX-License-Identifier: LGPL-2.1-or-later
"""The two ways to load the probes: libbpf loads an object that was compiled before; bcc compiles their source."""

import sys
from pathlib import Path
from typing import NamedTuple

from spo_trace.files.bundled import bpf_object, bpf_program

__all__ = ["IS_BROKEN", "IS_MISSING", "LIBBPF", "LOADERS", "PYTHONS", "Way", "ways"]

LOADERS = ("auto", "libbpf", "bcc")

# bcc is installed for the system's Python, not in a virtual environment. PATH is not searched, because the loader runs
# as root.
PYTHONS = tuple(dict.fromkeys(("/usr/bin/python3", sys.executable)))

LIBBPF = "libbpf.so.1"
_LIBBPF_PACKAGES = "apt install libbpf1 (Debian, Ubuntu), dnf install libbpf (Fedora), pacman -S libbpf (Arch)"
_NO_CLANG = "install clang, and then spo-trace again, which compiles swap_owner.bpf.o"

_BCC_NAMES = "apt install python3-bpfcc (Debian, Ubuntu), dnf install python3-bcc (Fedora), pacman -S python-bcc (Arch)"
_BCC_PACKAGES = f"install bcc for the system's own Python: {_BCC_NAMES}"

# The loader itself looks for what it needs, because starting another Python takes seconds on a slow machine. It needs
# Python 3.10 or later. A bcc that is installed but lacks a library is a different error from no bcc.
IS_MISSING, IS_BROKEN = 77, 78

_NEEDS_BCC = f"""
import sys
if sys.version_info < (3, 10):
    sys.exit({IS_MISSING})
try:
    from bcc import BPF
except Exception as error:
    if isinstance(error, ModuleNotFoundError) and error.name == "bcc":
        sys.exit({IS_MISSING})
    print(f"{{type(error).__name__}}: {{error}}", file=sys.stderr)
    sys.exit({IS_BROKEN})
"""
_NEEDS_LIBBPF = f"""
import ctypes, sys
try:
    ctypes.CDLL("{LIBBPF}")
except OSError:
    sys.exit({IS_MISSING})
"""


class Way(NamedTuple):
    """Hold one way; `needs`: what the loader runs first under each of `pythons` with `flags`.

    `program`: the file to load, None if spo-trace has none. `missing`: what a machine lacks on which it fails.
    """

    name: str
    pythons: tuple[str, ...]
    flags: tuple[str, ...]
    needs: str
    program: Path | None
    missing: str
    packages: str


def ways(loader: str) -> list[Way]:
    """Return the ways to try for `--loader LOADER`, in their order."""
    # site would make installed packages part of what runs as root, and takes time.
    libbpf = Way(
        "libbpf",
        (sys.executable,),
        ("-I", "-S"),
        _NEEDS_LIBBPF,
        bpf_object(),
        f"this system has no {LIBBPF}",
        _LIBBPF_PACKAGES,
    )
    if libbpf.program is None:
        libbpf = libbpf._replace(missing="spo-trace was built without clang, for libbpf", packages=_NO_CLANG)
    missing = f"no bcc for Python 3.10 or later in {' or '.join(PYTHONS)}"
    bcc = Way("bcc", PYTHONS, ("-I",), _NEEDS_BCC, bpf_program(), missing, _BCC_PACKAGES)
    return [way for way in (libbpf, bcc) if loader in ("auto", way.name)]
