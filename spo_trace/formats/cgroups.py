# SPDX-License-Identifier: LGPL-2.1-or-later
"""The file `cgroups` of a capture: a line `INODE SWAP PATH` for each cgroup of the cgroup2 hierarchy.

SWAP is memory.swap.current in bytes, or `-` without that file.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Cgroup", "leaf_name", "parse_cgroups"]

# The kernel has 80 bytes for a name (print_page_owner_memcg(), mm/page_owner.c), the last one is 0.
_NAME_BYTES = 79

_LINE = re.compile(rb"(\d{1,20}) (\d{1,19}|-) (/[^\n]*)")


class Cgroup(NamedTuple):
    """Hold a cgroup's inode, its path below the root of the hierarchy, and memory.swap.current in bytes if known."""

    inode: int
    path: bytes
    swap_bytes: int | None


def parse_cgroups(text: bytes) -> Iterator[Cgroup]:
    """Yield the cgroups of a text; lines of another form are left out."""
    for line in text.split(b"\n"):
        # An inode is a 64-bit number.
        if (match := _LINE.fullmatch(line)) and int(match[1]) < 1 << 64:
            yield Cgroup(int(match[1]), match[3], None if match[2] == b"-" else int(match[2]))


def leaf_name(path: bytes) -> bytes:
    """Return the name of the cgroup with this path, as page_owner prints it."""
    return path.rpartition(b"/")[2][:_NAME_BYTES] or b"/"
