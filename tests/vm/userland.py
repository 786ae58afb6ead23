# SPDX-License-Identifier: LGPL-2.1-or-later
"""Locations of user spaces that can replace the host's in a guest."""

from pathlib import Path

from tests.vm import kernels

__all__ = ["FRESH", "SUITES", "UserlandMissing", "find", "find_arm64", "find_fresh"]

# Debian 13 with bcc 0.31, and the development version.
SUITES = ("trixie", "sid")
# Those in which spo-trace is installed as README says: Debian 12, 13, and the development version.
FRESH = ("bookworm", "trixie", "sid")


class UserlandMissing(LookupError):
    """The user space is missing; the message contains its path and how to create it."""


def find(suite: str) -> Path:
    """Return the directory of a Debian release's user space or raise UserlandMissing."""
    return _find(suite, f"make vm-userland SUITES={suite} (needs mmdebstrap and a Debian mirror)")


def find_fresh(suite: str) -> Path:
    """Return the directory of a fresh machine with a Debian release or raise UserlandMissing."""
    return _find(f"fresh-{suite}", f"sudo make vm-fresh SUITES={suite} (needs mmdebstrap and a Debian mirror)")


def find_arm64() -> Path:
    """Return the directory of Python for arm64 or raise UserlandMissing."""
    return _find("arm64-trixie", "make vm-userland SUITES=arm64 (needs mmdebstrap and a Debian mirror)")


def _find(name: str, how: str) -> Path:
    tree = kernels.cache_directory().with_name("userland") / name
    if not tree.is_dir():
        raise UserlandMissing(f"no {tree}: {how}")
    return tree
