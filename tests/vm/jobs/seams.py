# SPDX-License-Identifier: LGPL-2.1-or-later
"""In a guest: page_owner by one reader of this script's own, by 1 to 8 of spo-trace's, and again by its own.

Prints a JSON object for each number of readers: how many records were there before and after, and how many of them are
`lost`; how many page frames come `twice`, and whether all are `in_order`.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator

from spo_trace.sources.live import LiveSource

Key = tuple[int, int]

# The last such lines: a comm may fake the first ones.
_TIME = re.compile(rb", ts (\d+) ns")
_PFN = re.compile(rb"\nPFN (0x[0-9a-f]+|\d+) ")


def main() -> None:
    """Print what each number of readers found."""
    before = set(map(key_of, records()))
    found = {jobs: [key_of(record) for record in live_records(jobs)] for jobs in (1, 2, 3, 8)}
    stayed = before & set(map(key_of, records()))
    for jobs, keys in found.items():
        pfns = [pfn for pfn, _ in keys]
        twice = sum(number > 1 for number in Counter(pfns).values())
        said = {"stayed": len(stayed), "lost": len(stayed.difference(keys)), "twice": twice}
        print(json.dumps({"jobs": jobs, **said, "in_order": pfns == sorted(pfns)}), flush=True)


def key_of(record: bytes) -> Key:
    """Return a record's PFN and time of allocation: the rest may change while the page stays allocated."""
    return int(_PFN.findall(record)[-1], 0), int(_TIME.findall(record)[-1])


def records() -> Iterator[bytes]:
    """Yield what read(2) gives."""
    fd = os.open("/sys/kernel/debug/page_owner", os.O_RDONLY)
    while record := os.read(fd, 1 << 16):
        yield record
    os.close(fd)


def live_records(jobs: int) -> Iterator[bytes]:
    """Yield what so many readers give."""
    text = LiveSource(jobs=jobs).open("page_owner")
    assert text is not None and text.records is not None and not text.skipped
    for block in text.records:
        yield from block.split()


if __name__ == "__main__":
    main()
