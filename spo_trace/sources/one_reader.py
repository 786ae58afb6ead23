# SPDX-License-Identifier: LGPL-2.1-or-later
"""A kernel file read by one reader from beginning to end; works for any meaning of its positions."""

import errno
from collections.abc import Iterator
from contextlib import suppress

from spo_trace.formats.runs import Records, gathered
from spo_trace.formats.text import Outcome
from spo_trace.sources.enomem import OutOfMemory, Retries, or_enomem
from spo_trace.sources.kernel_file import LONGEST_RECORD, Positioned, Stop, number_of

__all__ = ["NEAR", "first_readable", "read_records"]

# Within this distance of a record that is too large, no readable record is missed, even if others are too large too.
NEAR = 1 << 13

# About 3,000 records.
_BATCH_BYTES = 2 << 20

# A file position is a loff_t.
_LAST = (1 << 63) - 1


def read_records(file: Positioned, outcome: Outcome) -> Iterator[Records]:
    """Yield a file's records in runs; step over those that do not fit the kernel's buffer.

    For a record that does not fit, read_page_owner() (mm/page_owner.c) fails with ENOMEM and does not advance, so every
    further read would fail too.
    """
    first = or_enomem(file.read)
    if first == b"":
        return
    if first is None:
        yield from gathered(_read_past(file, Retries(outcome), None, file.position()))
        return
    first_position = file.position()
    yield Records.of([first])
    last = first
    room = memoryview(bytearray(_BATCH_BYTES + LONGEST_RECORD))
    while True:
        ends, stop, _ = file.read_many(room)
        if ends:
            records = Records(bytes(room[: ends[-1]]), ends)
            last = records.last()
            yield records
        if stop is Stop.END:
            return
        if stop is Stop.ENOMEM:
            break
    # 8f0efa81dfbc, 6.1: the position after a record is PFN + 1; before, it counts from the lowest PFN.
    # In swap_page_owner it is the entry + 1. The offset is derived from the first record.
    base = _number(first) + 1 - first_position
    yield from gathered(_read_past(file, Retries(outcome, 0), base, _number(last) + 1 - base))


def first_readable(file: Positioned, retries: Retries, bad: int, end: int = _LAST) -> int:
    """Return the first position after `bad` that can be read, `end` + 1 if there is none up to `end`.

    pread() fails for every position up to a record that is too large. The next readable position is usually near, as
    most page frames are in use, and more such records may follow: so first go step by step. In a large hole, double
    the distance until a read succeeds, then bisect. Raise OutOfMemory if the kernel remains out of memory.
    """
    near = min(bad + NEAR, end + 1)
    for position in range(bad + 1, near):
        if retries.record_at(file, position) is not None:
            return position
    bad, step = near - 1, 1
    while (good := min(bad + step, end + 1)) <= end and retries.record_at(file, good) is None:
        bad, step = good, step * 2
    while good - bad > 1:
        middle = (good + bad) // 2
        good, bad = (good, middle) if retries.record_at(file, middle) is None else (middle, bad)
    return good


# OutOfMemory ends it here: its caller gathers records, and would lose them.
def _read_past(file: Positioned, retries: Retries, base: int | None, position: int) -> Iterator[bytes]:
    with suppress(OutOfMemory):
        while position <= _LAST:
            record = retries.record_at(file, position)
            if record is None:
                position = first_readable(file, retries, position)
                retries.count_too_large(position <= _LAST)
                continue
            if not record:
                return
            yield record
            if base is None:
                base = _base_by_search(file, retries, record, position)
            position = _number(record) + 1 - base
    retries.give_up()


# If the very first record is too large, the position after a record is unknown. pread() returns `record` for every
# position from `position` up to the record's own one, which is found by bisection.
def _base_by_search(file: Positioned, retries: Retries, record: bytes, position: int) -> int:
    number = _number(record)
    good, bad = position, number + 1
    while bad - good > 1:
        middle = (good + bad) // 2
        found = retries.record_at(file, middle)
        good, bad = (middle, bad) if found and _number(found) == number else (good, middle)
    return number - good


def _number(record: bytes) -> int:
    number = number_of(record)
    if number is None:
        raise OSError(errno.ENOMEM, "a record is too large, and the records before it do not show how to skip it")
    return number
