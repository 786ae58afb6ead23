# SPDX-License-Identifier: LGPL-2.1-or-later
"""In a guest: page_owner by one reader of this script's own, by 1 to 8 of spo-trace's, and again by its own.

Each number of readers reads it as it is, and with a buffer that one record in twenty does not fit, for which the kernel
answers ENOMEM as for those larger than a page. Prints a JSON object for each: how many records were there before and
after (`stayed`), how many of them that fit are `lost`, how many that do not are `kept`, how many page frames come
`twice`, whether all are `in_order`, how many were counted as `too_large`, and whether it was read in `ranges`.
"""

import json
import os
import re
from collections import Counter

from spo_trace.sources import kernel_file
from spo_trace.sources.live import LiveSource

Key = tuple[int, int]

ALL = kernel_file.LONGEST_RECORD
# What else is printed of a page may change by this much while it stays allocated.
CHANGE = 64

# The last such lines: a comm may fake the first ones.
_TIME = re.compile(rb", ts (\d+) ns")
_PFN = re.compile(rb"\nPFN (0x[0-9a-f]+|\d+) ")


def main() -> None:
    """Print what each number of readers found."""
    before = sizes_by_key()
    few = sorted(before.values())[len(before) * 19 // 20]
    found = {(room, jobs): live_keys(jobs, room) for room in (ALL, few) for jobs in (1, 2, 3, 8)}
    after = sizes_by_key()
    for (room, jobs), (keys, too_large, ranges) in found.items():
        stayed = {key: size for key, size in before.items() if key in after}
        pfns = [pfn for pfn, _ in keys]
        has = set(keys)
        said = {
            "jobs": jobs,
            "room": room,
            "stayed": len(stayed),
            "lost": sum(size < room - CHANGE and key not in has for key, size in stayed.items()),
            "kept": sum(size >= room + CHANGE and key in has for key, size in stayed.items()),
            "twice": sum(number > 1 for number in Counter(pfns).values()),
            "in_order": pfns == sorted(pfns),
            "too_large": too_large,
            "ranges": ranges,
        }
        print(json.dumps(said), flush=True)


def sizes_by_key() -> dict[Key, int]:
    """Return the size of each record that read(2) gives."""
    fd = os.open("/sys/kernel/debug/page_owner", os.O_RDONLY)
    sizes = {}
    while record := os.read(fd, ALL):
        sizes[key_of(record)] = len(record)
    os.close(fd)
    return sizes


def live_keys(jobs: int, room: int) -> tuple[list[Key], int, bool]:
    """Return the keys of what so many readers give, how many records they say are too large, whether of PFN ranges."""
    kernel_file.LONGEST_RECORD = room
    text = LiveSource(jobs=jobs).open("page_owner")
    assert text is not None and text.records is not None
    keys = [key_of(record) for block in text.records for record in block.split()]
    # What the last PFN is matters to readers of ranges alone.
    return keys, sum((text.skipped or {}).values()), text.size is not None


def key_of(record: bytes) -> Key:
    """Return a record's PFN and time of allocation."""
    return int(_PFN.findall(record)[-1], 0), int(_TIME.findall(record)[-1])


if __name__ == "__main__":
    main()
