# SPDX-License-Identifier: LGPL-2.1-or-later
"""Locations of user spaces that can replace the host's in a guest."""

from pathlib import Path

from tests.vm import kernels

__all__ = ["SUITES", "UserlandMissing", "find"]

# Debian 13 with bcc 0.31, and the development version.
SUITES = ("trixie", "sid")


class UserlandMissing(LookupError):
    """The user space is missing; the message contains its path and how to create it."""


def find(suite: str) -> Path:
    """Return the directory of a Debian release's user space or raise UserlandMissing."""
    tree = kernels.cache_directory().with_name("userland") / suite
    if not tree.is_dir():
        raise UserlandMissing(f"no {tree}: make vm-userland SUITES={suite} (needs mmdebstrap and a Debian mirror)")
    return tree
