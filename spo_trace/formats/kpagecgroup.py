# SPDX-License-Identifier: LGPL-2.1-or-later
"""/proc/kpagecgroup: 8 bytes for each PFN from 0 on, the inode of the page's memory cgroup.

The bytes are in the machine's order. It is the inode of the nearest cgroup that has not been removed, and 0 if the page
is charged to none (page_cgroup_ino(), mm/memcontrol.c).
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["CgroupInodes"]

Numbers = npt.NDArray[Any]

_INODE_BYTES = 8


class CgroupInodes:
    """Look up the inodes of pages in ascending order of PFNs, in a stream of /proc/kpagecgroup."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        """`chunks`: of a machine whose numbers are little-endian, cut anywhere."""
        self._parts = _parts(chunks)
        self._start = 0
        self._inodes: Numbers = np.zeros(0, "<u8")

    def of(self, pfns: Numbers) -> Numbers:
        """Return the inode of each page, 0 if it is unknown: beyond the end, or before a page of an earlier call."""
        found = np.zeros(len(pfns), np.uint64)
        order = np.argsort(pfns, kind="stable")
        ascending = pfns[order]
        at = int(np.searchsorted(ascending, self._start))
        while at < len(ascending):
            end = self._start + len(self._inodes)
            here = int(np.searchsorted(ascending, end))
            found[order[at:here]] = self._inodes[ascending[at:here] - self._start]
            at = here
            if at == len(ascending) or not self._advance():
                break
        return found

    def _advance(self) -> bool:
        part = next(self._parts, None)
        if part is None:
            return False
        self._start += len(self._inodes)
        self._inodes = part
        return True


def _parts(chunks: Iterable[bytes]) -> Iterator[Numbers]:
    rest = b""
    for chunk in chunks:
        data = rest + chunk
        whole = len(data) // _INODE_BYTES * _INODE_BYTES
        rest = data[whole:]
        if whole:
            yield np.frombuffer(data[:whole], "<u8")
