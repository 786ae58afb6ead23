# SPDX-License-Identifier: LGPL-2.1-or-later
"""swap_page_owner out of kernel memory: each row as the kernel's own text in mode=handle."""

from collections.abc import Iterable, Iterator

from spo_trace.memory.swap_rows import SwapRow

__all__ = ["swap_records"]


def swap_records(rows: Iterable[SwapRow]) -> Iterator[bytes]:
    """Yield the record of each row."""
    for entry, ts_nsec, comm, pid, tgid, handle in rows:
        yield b"Page allocated via pid %d, tgid %d (%b), ts %d ns\nSWP entry %#x\nhandle: %d\n\n" % (
            *(pid, tgid, comm, ts_nsec, entry, handle),
        )
