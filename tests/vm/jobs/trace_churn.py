# SPDX-License-Identifier: LGPL-2.1-or-later
"""Allocate memory, page it out, touch half of it, free it, repeatedly: no page is swapped out twice.

    trace_churn.py MIB PAUSE

PAUSE: seconds between the rounds, so that others can run on one processor.
"""

import mmap
import sys
from time import sleep


def main(mib: str, pause: str) -> None:
    """Repeat until killed."""
    number = 0
    while True:
        with mmap.mmap(-1, int(mib) << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as area:
            area.madvise(mmap.MADV_NOHUGEPAGE)
            for at in range(0, len(area), mmap.PAGESIZE):
                number += 1
                area[at : at + 8] = number.to_bytes(8, "little")
            area.madvise(21)  # MADV_PAGEOUT, which the module lacks
            sum(area[: len(area) // 2 : mmap.PAGESIZE])
            sleep(float(pause))


if __name__ == "__main__":
    main(*sys.argv[1:])
