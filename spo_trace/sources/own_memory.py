# SPDX-License-Identifier: LGPL-2.1-or-later
"""Memory of this process, on a machine where every page that it takes is one more in what it reads."""

import ctypes

__all__ = ["keep_freed_memory"]

# mallopt(3)
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def keep_freed_memory() -> None:
    """Let malloc use again what was freed, by whatever thread, instead of giving it back to the kernel, up to 64 MiB.

    Blocks of a few MB, freed and taken anew, would each time be new pages: page_owner takes a stack for every one.
    This is for the whole process, for good. Nothing happens where the C library is not glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 64 << 20)
