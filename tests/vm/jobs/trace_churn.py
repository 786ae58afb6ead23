# SPDX-License-Identifier: LGPL-2.1-or-later
"""Take memory, page it out, touch half of it, let it go, over and over: no page goes to swap twice.

    trace_churn.py MIB PAUSE

PAUSE: seconds between the rounds, for others to get on with on one processor.
"""

import mmap
import sys
from time import sleep


def main(mib: str, pause: str) -> None:
    """Go round until killed."""
    number = 0
    while True:
        with mmap.mmap(-1, int(mib) << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as area:
            area.madvise(mmap.MADV_NOHUGEPAGE)
            for at in range(0, len(area), mmap.PAGESIZE):
                number += 1
                area[at : at + 8] = number.to_bytes(8, "little")
            area.madvise(21)  # MADV_PAGEOUT, which the module has no name for
            sum(area[: len(area) // 2 : mmap.PAGESIZE])
            sleep(float(pause))


if __name__ == "__main__":
    main(*sys.argv[1:])
