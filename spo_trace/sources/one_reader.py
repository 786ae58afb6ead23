# SPDX-License-Identifier: LGPL-2.1-or-later
"""A kernel file read by one reader from its beginning to its end, whatever its positions count."""

import errno
from collections.abc import Callable, Iterator

from spo_trace.formats.runs import Records, gathered
from spo_trace.formats.text import Outcome
from spo_trace.sources.kernel_file import LONGEST_RECORD, Positioned, Stop, number_of

__all__ = ["NEAR", "TOO_LARGE", "count_too_large", "first_readable", "read_records", "record_at"]

# So far behind a record that is too large, no record is missed, however many of those that follow are too large too.
NEAR = 1 << 13

# Some 3,000 records.
_BATCH_BYTES = 2 << 20

# A file position is a loff_t.
_LAST = (1 << 63) - 1

TOO_LARGE = "record larger than the kernel's buffer (ENOMEM)"


def read_records(file: Positioned, outcome: Outcome) -> Iterator[Records]:
    """Yield a file's records in runs; step over those that do not fit the kernel's buffer.

    read_page_owner() (mm/page_owner.c) answers ENOMEM for a record that does not fit, and stays where it is:
    every further read would fail too.
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
    # The position after a record is pfn + 1 (6.1+), or counts from the lowest PFN (up to 6.0); swap_page_owner's is
    # the entry + 1. The first record tells which.
    base = _number(first) + 1 - first_position
    yield from gathered(_read_past(file, outcome, base, _number(last) + 1 - base))


def count_too_large(outcome: Outcome, number: int = 1) -> None:
    """Note that so many records could not be read."""
    if number:
        outcome.skipped[TOO_LARGE] = outcome.skipped.get(TOO_LARGE, 0) + number


def record_at(file: Positioned, position: int) -> bytes | None:
    """Return the first record at or after `position`, empty if there is none, None if it does not fit the buffer."""
    return _or_too_large(lambda: file.pread(position))


def first_readable(file: Positioned, bad: int, end: int = _LAST) -> int:
    """Return the first position after `bad` that can be read at, `end` + 1 if there is none up to `end`.

    pread() fails while its position is not past a record that is too large. That is mostly near, as most page frames
    are in use, and others like it may follow with good ones between: so step by step first. Over a large hole, double
    the distance until a read succeeds, then halve.
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


# Where the very first record is too large, no position after a record is known. `record`, found at `position`, is
# what is read up to its own position; the largest such position is searched for.
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
        raise OSError(errno.ENOMEM, "a record is too large, and those before it do not tell how to step over it")
    return number
