# SPDX-License-Identifier: LGPL-2.1-or-later
"""The memory of this process: each page that it allocates adds a record to what it reads."""

import ctypes

__all__ = ["keep_freed_memory"]

# mallopt(3)
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def keep_freed_memory() -> None:
    """Make malloc of all threads reuse freed memory instead of returning it to the kernel, up to 64 MiB.

    Otherwise buffers of a few MB would get new pages each time, and page_owner records a stack for each page. This
    changes the whole process permanently. It does nothing if the C library is not glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 64 << 20)
