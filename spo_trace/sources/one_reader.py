# SPDX-License-Identifier: LGPL-2.1-or-later
"""A kernel file read by one reader from its beginning to its end, whatever its positions count."""

import errno
from collections.abc import Iterator

from spo_trace.formats.record import KernelText, Records, gathered
from spo_trace.sources.kernel_file import Positioned, Stop, number_of

__all__ = ["TOO_LARGE", "count_too_large", "is_readable", "read_records"]

_NEAR = 1024

TOO_LARGE = "record larger than the kernel's buffer (ENOMEM)"


def read_records(file: Positioned, text: KernelText) -> Iterator[Records]:
    """Yield a file's records in blocks; step over those that do not fit the kernel's buffer.

    read_page_owner() (mm/page_owner.c) answers ENOMEM for a record that does not fit, and stays where it is:
    every further read would fail too.
    """
    first = _record(file)
    if first == b"":
        return
    if first is None:
        yield from gathered(_read_past(file, text, None, file.position()))
        return
    first_position = file.position()
    yield Records.of([first])
    last = first
    while True:
        records, stop, _ = file.read_many()
        if records.ends:
            last = records.last()
            yield records
        if stop is Stop.END:
            return
        if stop is Stop.TOO_LARGE:
            break
    # The position after a record is pfn + 1 (6.1+), or counts from the lowest PFN (up to 6.0); swap_page_owner's is
    # the entry + 1. The first record tells which.
    base = _number(first) + 1 - first_position
    yield from gathered(_read_past(file, text, base, _number(last) + 1 - base))


def count_too_large(text: KernelText, number: int = 1) -> None:
    """Note that so many records could not be read."""
    if number:
        text.skipped = text.skipped or {}
        text.skipped[TOO_LARGE] = text.skipped.get(TOO_LARGE, 0) + number


def is_readable(file: Positioned, position: int) -> bool:
    """Tell whether the first record at or after `position` fits the kernel's buffer, or there is none."""
    return _record(file, position) is not None


def _read_past(file: Positioned, text: KernelText, base: int | None, position: int) -> Iterator[bytes]:
    while True:
        record = _record(file, position)
        if record is None:
            position = _first_readable(file, position)
            count_too_large(text)
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
        found = _record(file, middle)
        good, bad = (middle, bad) if found and _number(found) == number else (good, middle)
    return number - good


# pread() fails while its position is not past the record that is too large. That is mostly near, as most page frames
# are in use, and others like it may follow with good ones between: so step by step first. Over a large hole, double
# the distance until a read succeeds, then halve.
def _first_readable(file: Positioned, bad: int) -> int:
    for position in range(bad + 1, bad + _NEAR):
        if is_readable(file, position):
            return position
    bad, step = bad + _NEAR - 1, 1
    while not is_readable(file, bad + step):
        bad, step = bad + step, step * 2
    good = bad + step
    while good - bad > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if is_readable(file, middle) else (good, middle)
    return good


# None for a record that is too large.
def _record(file: Positioned, position: int | None = None) -> bytes | None:
    try:
        return file.read() if position is None else file.pread(position)
    except OSError as error:
        if error.errno != errno.ENOMEM:
            raise
    return None


def _number(record: bytes) -> int:
    number = number_of(record)
    if number is None:
        raise OSError(errno.ENOMEM, "a record is too large, and those before it do not tell how to step over it")
    return number
