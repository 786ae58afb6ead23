# SPDX-License-Identifier: LGPL-2.1-or-later
"""The two ways to load the probes: libbpf loads an object that was compiled before; bcc compiles their source."""

import sys
from pathlib import Path
from typing import NamedTuple

from spo_trace.files.bundled import bpf_object, bpf_program

__all__ = ["LIBBPF", "LOADERS", "PYTHONS", "Way", "ways"]

LOADERS = ("auto", "libbpf", "bcc")

# bcc is installed for the system's Python, not in a virtual environment. PATH is not searched, because the loader runs
# as root.
PYTHONS = tuple(dict.fromkeys(("/usr/bin/python3", sys.executable)))

LIBBPF = "libbpf.so.1"
_LIBBPF_PACKAGES = "apt install libbpf1 (Debian, Ubuntu), dnf install libbpf (Fedora), pacman -S libbpf (Arch)"
_NO_CLANG = "install clang, and then spo-trace again, which compiles swap_owner.bpf.o"

_BCC_NAMES = "apt install python3-bpfcc (Debian, Ubuntu), dnf install python3-bcc (Fedora), pacman -S python-bcc (Arch)"
_BCC_PACKAGES = f"install bcc for the system's own Python: {_BCC_NAMES}"


class Way(NamedTuple):
    """Hold one way; `program`: the file to load, None if spo-trace has none.

    `missing`: what a machine lacks on which it fails. `packages`: what to install then.
    """

    name: str
    program: Path | None
    missing: str
    packages: str


def ways(loader: str) -> list[Way]:
    """Return the ways to try for `--loader LOADER`, in their order."""
    libbpf = Way("libbpf", bpf_object(), f"this system has no {LIBBPF}", _LIBBPF_PACKAGES)
    if libbpf.program is None:
        libbpf = libbpf._replace(missing="spo-trace was built without clang, for libbpf", packages=_NO_CLANG)
    missing = f"no bcc for Python 3.10 or later in {' or '.join(PYTHONS)}"
    bcc = Way("bcc", bpf_program(), missing, _BCC_PACKAGES)
    return [way for way in (libbpf, bcc) if loader in ("auto", way.name)]
