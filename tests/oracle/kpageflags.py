# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kinds of pages according to /proc/kpageflags (include/uapi/linux/kernel-page-flags.h)."""

import numpy as np
import numpy.typing as npt

__all__ = ["KINDS", "kinds_of"]

_COMPOUND_TAIL = 16

# A page has the first kind whose bit it has; without any of them, its only user is the kernel, which maps it nowhere.
KINDS = {
    20: "no page",
    10: "free",
    7: "slab",
    26: "page table",
    17: "hugetlb",
    21: "ksm",
    24: "zero page",
    12: "anon",
    # Swap-backed but not anonymous.
    14: "shmem",
    # On an LRU list but not swap-backed.
    5: "file",
}
_OTHERWISE = "kernel"


def kinds_of(flags: bytes, pfns: npt.NDArray[np.int64], heads: npt.NDArray[np.int64]) -> npt.NDArray[np.str_]:
    """Return the kind of each page; `heads` are the first pages of their allocations.

    A tail of a compound page has the kind of its head, because older kernels do not repeat all flags in tails.
    """
    words = np.frombuffer(flags, "<u8")
    heads = np.where(_bit(words[pfns], _COMPOUND_TAIL), heads, pfns)
    return np.select([_bit(words[heads], bit) for bit in KINDS], list(KINDS.values()), _OTHERWISE)


def _bit(words: npt.NDArray[np.uint64], bit: int) -> npt.NDArray[np.bool_]:
    return (words >> np.uint64(bit) & np.uint64(1)).astype(bool)
