# SPDX-License-Identifier: LGPL-2.1-or-later
"""In a guest: read page_owner with this script's own reader, with 1 to 8 readers of spo-trace, and with its own again.

    seams.py DIRECTORY

Each number of readers reads it with the usual buffer, and with a buffer that is too small for one record in twenty, for
which the kernel returns ENOMEM as for records larger than a page. The records are pickled in DIRECTORY: `before`,
`after`, and `ROOM-JOBS` for each reading. Prints a JSON object for each reading: its file, the number of `jobs`, the
`room` of the buffer, the number of `too_large` records, and whether it was read in `ranges`.
"""

import json
import os
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path

from spo_trace.formats.text_reader import records_in
from spo_trace.sources import kernel_file
from spo_trace.sources.live import LiveSource

ALL = kernel_file.LONGEST_RECORD


def main(directory: str) -> None:
    """Run all readings and write their records."""
    out = Path(directory)
    before = each_read()
    write(out / "before", before)
    few = sorted(map(len, before))[len(before) * 19 // 20]
    for room in (ALL, few):
        for jobs in (1, 2, 3, 8):
            said = {"file": f"{room}-{jobs}", "jobs": jobs, "room": room, **by_readers(jobs, room, out)}
            print(json.dumps(said), flush=True)
    write(out / "after", each_read())


def each_read() -> list[bytes]:
    """Return the result of each read(2)."""
    fd = os.open("/sys/kernel/debug/page_owner", os.O_RDONLY)
    records = []
    while record := os.read(fd, ALL):
        records.append(record)
    os.close(fd)
    return records


def by_readers(jobs: int, room: int, out: Path) -> dict[str, object]:
    """Write the records of `jobs` readers, and return their facts."""
    kernel_file.LONGEST_RECORD = room
    text = LiveSource(jobs=jobs).open("page_owner")
    assert text is not None
    write(out / f"{room}-{jobs}", [record.text for record in records_in(text)])
    # Only readers of ranges use the last PFN.
    return {"too_large": sum(text.outcome.skipped.values()), "ranges": text.size is not None}


def write(path: Path, records: Sequence[bytes]) -> None:
    """Write records in one piece, because a small write to the share takes as long as a large one."""
    path.write_bytes(pickle.dumps(records))


if __name__ == "__main__":
    main(*sys.argv[1:])
