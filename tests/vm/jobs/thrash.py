# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keep a working set of some MiB in constant motion between memory and swap; /run/moving has the number of rounds.

Run it as `python3 thrash.py MIB`.
"""

import mmap
import sys
from pathlib import Path

PAGE = 4096
# A step coprime to the number of pages visits each of them once a round, far from the one before.
STEP = 7919

size = int(sys.argv[1]) << 20
memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
pages = size // PAGE
at = 0
rounds = 0
while True:
    for _ in range(pages):
        at = (at + STEP) % pages
        memory[at * PAGE] = (memory[at * PAGE] + 1) & 0xFF
    rounds += 1
    Path("/run/moving").write_text(f"{rounds}\n")
