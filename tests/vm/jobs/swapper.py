# SPDX-License-Identifier: LGPL-2.1-or-later
"""Page memory out and touch it again repeatedly, and measure the time per page in both directions.

    swapper.py MIB ROUNDS

Prints the median, minimum and maximum of the rounds in microseconds per page.
"""

import mmap
import sys
from statistics import median
from time import monotonic

PAGE = mmap.PAGESIZE


def main(mib: str, rounds: str) -> None:
    """Allocate the area and run the rounds."""
    area = mmap.mmap(-1, int(float(mib) * (1 << 20)), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area.madvise(mmap.MADV_NOHUGEPAGE)
    pages = len(area) // PAGE
    # A different number in each page, so that none is zero-filled.
    for at in range(0, len(area), PAGE):
        area[at : at + 8] = (at + 1).to_bytes(8, "little")
    times: dict[str, list[float]] = {"out": [], "in": []}
    for number in range(int(rounds)):
        # Make them dirty: a page that did not change since its swap-in is not written again.
        for at in range(8, len(area), PAGE):
            area[at] = number % 255 + 1
        began = monotonic()
        area.madvise(21)  # MADV_PAGEOUT, which the module lacks
        between = monotonic()
        sum(area[::PAGE])
        times["out"].append((between - began) / pages * 1e6)
        times["in"].append((monotonic() - between) / pages * 1e6)
    for way, took in times.items():
        print(f"{way} {median(took):.1f} us a page ({min(took):.1f} to {max(took):.1f})", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
