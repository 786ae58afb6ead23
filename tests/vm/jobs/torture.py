# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random memory activity: allocate areas, huge or not, page them out, touch, fork, write, unmap.

    torture.py SEED

Each page contains its own number, which is checked at every access. Exits 1 if a page has another number, and 0
when the file /run/end exists.
"""

import mmap
import os
import random
import sys
from pathlib import Path

PAGE = mmap.PAGESIZE
END = Path("/run/end")
SIZES_MIB = (1, 2, 4, 6)
MOST_AREAS, MOST_CHILDREN = 6, 2
MADV_PAGEOUT = 21  # the module lacks it


def main(seed: str) -> None:
    """Run until the end."""
    chance = random.Random(int(seed))
    areas: list[mmap.mmap] = []
    children: list[int] = []
    while not END.exists():
        dice = chance.random()
        if not areas or (len(areas) < MOST_AREAS and dice < 0.3):
            areas.append(new_area(chance))
        elif dice < 0.6:
            chance.choice(areas).madvise(MADV_PAGEOUT)
        elif dice < 0.9:
            touch(chance.choice(areas), chance.choice([1, 2, 7]), write=dice < 0.7)
        elif dice < 0.95:
            areas.pop(chance.randrange(len(areas))).close()
        else:
            children.append(fork(areas))
        while len(children) > MOST_CHILDREN:
            reap(children.pop(0))
    for child in children:
        reap(child)


def new_area(chance: random.Random) -> mmap.mmap:
    """Return an area with numbered pages."""
    area = mmap.mmap(-1, chance.choice(SIZES_MIB) << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area.madvise(chance.choice([mmap.MADV_HUGEPAGE, mmap.MADV_NOHUGEPAGE]))
    for at in range(0, len(area), PAGE):
        area[at : at + 8] = (at + 1).to_bytes(8, "little")
    return area


def touch(area: mmap.mmap, step: int, *, write: bool) -> None:
    """Check every nth page and write to it."""
    for at in range(0, len(area), PAGE * step):
        if area[at : at + 8] != (at + 1).to_bytes(8, "little"):
            sys.exit(f"page {at // PAGE} came back with other content")
        if write:
            area[at + 100] = 1


def fork(areas: list[mmap.mmap]) -> int:
    """Start a child that writes to every other page of all areas, and pages them out."""
    child = os.fork()
    if child:
        return child
    for area in areas:
        for at in range(0, len(area), 2 * PAGE):
            area[at + 200] = 1
        area.madvise(MADV_PAGEOUT)
    os._exit(0)


def reap(child: int) -> None:
    """Wait for a child."""
    if os.waitpid(child, 0)[1]:
        sys.exit("a child failed")


if __name__ == "__main__":
    main(*sys.argv[1:])
