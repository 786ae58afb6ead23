# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hold memory under a name, and page it out or touch it on signals.

    trace_worker.py NAME KIND MIB

KIND: anon, thp (huge pages), fork or kept. SIGUSR1 pages it out, SIGUSR2 touches half of it (fork: also in a child;
kept: it is read first, so that pages keep their swap entries).
/run/workers/PID contains the number of handled signals.
"""

import ctypes
import mmap
import os
import signal
import sys
from pathlib import Path

PR_SET_NAME = 15
SIGNALS = {signal.SIGUSR1, signal.SIGUSR2}


def main(name: str, kind: str, mib: str) -> None:
    """Allocate the memory, then handle signals."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode() + b"\0", 0, 0, 0)
    area = mmap.mmap(-1, int(mib) << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area.madvise(mmap.MADV_HUGEPAGE if kind == "thp" else mmap.MADV_NOHUGEPAGE)
    write(area, len(area), 1)
    for obeyed in range(100):
        Path("/run/workers", str(os.getpid())).write_text(str(obeyed))
        if signal.sigwait(SIGNALS) == signal.SIGUSR1:
            for _ in range(3):
                area.madvise(21)  # MADV_PAGEOUT, which the module lacks
            continue
        if kind == "kept":
            sum(area[: len(area) // 2 : mmap.PAGESIZE])
        if kind != "fork" or os.fork() != 0:
            write(area, len(area) // 2, 2)
        else:
            write(area, len(area) // 2, 3)
            signal.pause()


def write(area: mmap.mmap, size: int, salt: int) -> None:
    """Write a different number into each page of the first `size` bytes."""
    for at in range(0, size, mmap.PAGESIZE):
        area[at : at + 8] = (at * 4 + salt).to_bytes(8, "little")


if __name__ == "__main__":
    main(*sys.argv[1:])
