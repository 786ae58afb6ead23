# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hold an area of memory, and page it out or touch it on signals.

    worker.py COMM-HEX KIND MIB

COMM-HEX: the bytes of the process's name, `-` for python's own. KIND: anon (no huge pages), thp, split (huge pages,
each of which is partly paged out), fork (two processes share the area after USR2). SIGUSR1: page out the area; SIGUSR2:
touch its first half. /run/worker/PID contains the number of handled signals.
"""

import ctypes
import mmap
import os
import signal
import sys
from pathlib import Path

PR_SET_NAME = 15
PAGE, HUGE = mmap.PAGESIZE, 2 << 20
MADV_PAGEOUT = 21  # the module lacks it
SIGNALS = {signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM}


def main(comm: str, kind: str, mib: str) -> None:
    """Allocate the area, then handle signals until SIGTERM."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    if comm != "-":
        ctypes.CDLL(None).prctl(PR_SET_NAME, bytes.fromhex(comm) + b"\0", 0, 0, 0)
    area = mmap.mmap(-1, int(float(mib) * (1 << 20)), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area.madvise(mmap.MADV_HUGEPAGE if kind in ("thp", "split") else mmap.MADV_NOHUGEPAGE)
    fill(area)
    done = Path("/run/worker", str(os.getpid()))
    count = 0
    while True:
        done.write_text(f"{count}\n")
        told = signal.sigwait(SIGNALS)
        if told == signal.SIGTERM:
            return
        count += 1
        if told == signal.SIGUSR1:
            page_out(area, half=kind == "split")
        elif kind == "fork":
            fork_and_touch(area)
        else:
            touch(area)


def fill(area: mmap.mmap) -> None:
    """Write a different number into each page, so that none is zero-filled or equal to another."""
    for at in range(0, len(area), PAGE):
        area[at : at + 8] = (at + 1).to_bytes(8, "little")


def page_out(area: mmap.mmap, *, half: bool) -> None:
    """Page out three times: pages on per-CPU lists or under writeback stay in memory at first.

    `half`: only the first MiB of every 2 MiB, so that no huge page is paged out whole, whatever the alignment.
    """
    step = HUGE if half else len(area)
    for _ in range(3):
        for at in range(0, len(area), step):
            area.madvise(MADV_PAGEOUT, at, step // 2 if half else step)


def touch(area: mmap.mmap) -> None:
    """Read the first half and write to the first quarter."""
    for at in range(0, len(area) // 2, PAGE):
        if area[at : at + 8] != (at + 1).to_bytes(8, "little"):
            sys.exit(f"page {at // PAGE} came back with other content")
        if at < len(area) // 4:
            area[at + 16] = 1


def fork_and_touch(area: mmap.mmap) -> None:
    """Touch the area in a child, which lives until SIGTERM, then here: pages that the child writes to are copied."""
    touched, tell = os.pipe()
    if os.fork() == 0:
        touch(area)
        os.write(tell, b"x")
        signal.sigwait({signal.SIGTERM})
        os._exit(0)
    os.close(tell)
    if not os.read(touched, 1):
        sys.exit("the child failed")
    touch(area)


if __name__ == "__main__":
    main(*sys.argv[1:])
