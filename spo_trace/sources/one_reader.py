# SPDX-License-Identifier: LGPL-2.1-or-later
"""A kernel file read by one reader from beginning to end; works for any meaning of its positions."""

import errno
from collections.abc import Callable, Iterator

from spo_trace.formats.runs import Records, gathered
from spo_trace.formats.text import Outcome
from spo_trace.sources.kernel_file import LONGEST_RECORD, Positioned, Stop, number_of

__all__ = ["NEAR", "TOO_LARGE", "count_too_large", "first_readable", "read_records", "record_at"]

# Within this distance of a record that is too large, no readable record is missed, even if others are too large too.
NEAR = 1 << 13

# About 3,000 records.
_BATCH_BYTES = 2 << 20

# A file position is a loff_t.
_LAST = (1 << 63) - 1

TOO_LARGE = "record larger than the kernel's buffer (ENOMEM)"


def read_records(file: Positioned, outcome: Outcome) -> Iterator[Records]:
    """Yield a file's records in runs; step over those that do not fit the kernel's buffer.

    For a record that does not fit, read_page_owner() (mm/page_owner.c) fails with ENOMEM and does not advance, so every
    further read would fail too.
    """
    first = _or_too_large(file.read)
    if first == b"":
        return
    if first is None:
        yield from gathered(_read_past(file, outcome, None, file.position()))
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
        if stop is Stop.TOO_LARGE:
            break
    # 8f0efa81dfbc, 6.1: the position after a record is PFN + 1; before, it counts from the lowest PFN.
    # In swap_page_owner it is the entry + 1. The offset is derived from the first record.
    base = _number(first) + 1 - first_position
    yield from gathered(_read_past(file, outcome, base, _number(last) + 1 - base))


def count_too_large(outcome: Outcome, number: int = 1) -> None:
    """Count records that could not be read."""
    if number:
        outcome.skipped[TOO_LARGE] = outcome.skipped.get(TOO_LARGE, 0) + number


def record_at(file: Positioned, position: int) -> bytes | None:
    """Return the first record at or after `position`: empty if there is none, None if it does not fit the buffer."""
    return _or_too_large(lambda: file.pread(position))


def first_readable(file: Positioned, bad: int, end: int = _LAST) -> int:
    """Return the first position after `bad` that can be read, `end` + 1 if there is none up to `end`.

    pread() fails for every position up to a record that is too large. The next readable position is usually near, as
    most page frames are in use, and more such records may follow: so first go step by step. In a large hole, double
    the distance until a read succeeds, then bisect.
    """
    near = min(bad + NEAR, end + 1)
    for position in range(bad + 1, near):
        if record_at(file, position) is not None:
            return position
    bad, step = near - 1, 1
    while (good := min(bad + step, end + 1)) <= end and record_at(file, good) is None:
        bad, step = good, step * 2
    while good - bad > 1:
        middle = (good + bad) // 2
        good, bad = (good, middle) if record_at(file, middle) is None else (middle, bad)
    return good


def _read_past(file: Positioned, outcome: Outcome, base: int | None, position: int) -> Iterator[bytes]:
    while True:
        record = record_at(file, position)
        if record is None:
            position = first_readable(file, position)
            count_too_large(outcome)
            continue
        if not record:
            return
        yield record
        if base is None:
            base = _base_by_search(file, record, position)
        position = _number(record) + 1 - base


# If the very first record is too large, the position after a record is unknown. pread() returns `record` for every
# position from `position` up to the record's own one, which is found by bisection.
def _base_by_search(file: Positioned, record: bytes, position: int) -> int:
    number = _number(record)
    good, bad = position, number + 1
    while bad - good > 1:
        middle = (good + bad) // 2
        found = record_at(file, middle)
        good, bad = (middle, bad) if found and _number(found) == number else (good, middle)
    return number - good


def _or_too_large(read: Callable[[], bytes]) -> bytes | None:
    try:
        return read()
    except OSError as error:
        if error.errno != errno.ENOMEM:
            raise
    return None


def _number(record: bytes) -> int:
    number = number_of(record)
    if number is None:
        raise OSError(errno.ENOMEM, "a record is too large, and the records before it do not show how to skip it")
    return number
