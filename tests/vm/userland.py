# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the user spaces are that a guest can have in the place of the host's."""

from pathlib import Path

from tests.vm import kernels

__all__ = ["SUITES", "UserlandMissing", "find"]

# Debian 13 with bcc 0.31, and what comes next.
SUITES = ("trixie", "sid")


class UserlandMissing(LookupError):
    """There is no such user space; the message says where it was looked for, and what makes it."""


def find(suite: str) -> Path:
    """Return the directory of a Debian release's user space or raise UserlandMissing."""
    tree = kernels.cache_directory().with_name("userland") / suite
    if not tree.is_dir():
        raise UserlandMissing(f"no {tree}: make vm-userland SUITES={suite} (needs mmdebstrap and a Debian mirror)")
    return tree
