# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs of whole records: read already, or still to be read into a scanner's buffer."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, chain, pairwise
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

__all__ = ["Buffer", "FileRun", "Filled", "Records", "Run", "gathered"]

# The compiled scanner reads up to this many bytes past the end (SPO_PADDING in native/scan.h).
_PADDING = 64


class Records(NamedTuple):
    """Hold delimited records, one after the other in `text`; the n-th ends at byte `ends[n]` (int64)."""

    text: bytes
    ends: "array[int]"

    @classmethod
    def of(cls, records: Sequence[bytes]) -> Self:
        """Join single records."""
        return cls(b"".join(records), array("q", accumulate(map(len, records))))

    def split(self) -> Iterator[bytes]:
        """Yield the records one by one."""
        return (self.text[start:end] for start, end in pairwise(chain((0,), self.ends)))


class Buffer:
    """Hold the bytes of one run at a time."""

    def __init__(self) -> None:
        self._bytes = np.empty(0, np.uint8)

    def room(self, size: int) -> memoryview:
        """Return at least `size` writable bytes."""
        if len(self._bytes) < size + _PADDING:
            # Not zeroed: pages that are never written take no memory.
            self._bytes = np.empty(size + _PADDING, np.uint8)
        return self._bytes.data[:-_PADDING]

    def padded(self, size: int) -> npt.NDArray[np.uint8]:
        """Return the first `size` bytes; zeros follow them in memory."""
        self.room(size)
        self._bytes[size : size + _PADDING] = 0
        return self._bytes[:size]


class Filled(NamedTuple):
    """Hold a run's size in bytes, and where each record ends if they are delimited."""

    size: int
    ends: npt.NDArray[np.int64] | None = None


class Run(NamedTuple):
    """Hold where a run of whole records begins in a text, and `fill`, which writes its bytes to a buffer."""

    offset: int
    fill: Callable[[Buffer], Filled]


class FileRun(NamedTuple):
    """Hold where a run of whole records lies in the plain file `fd`, for the scanner to read.

    `failed` is called with the errno of a read error, at which the run ends.
    """

    offset: int
    size: int
    fd: int
    failed: Callable[[int], None]


def gathered(records: Iterable[bytes], size: int = 1 << 21) -> Iterator[Records]:
    """Yield single records, joined to about `size` bytes."""
    kept: list[bytes] = []
    bytes_kept = 0
    for record in records:
        kept.append(record)
        bytes_kept += len(record)
        if bytes_kept >= size:
            yield Records.of(kept)
            kept, bytes_kept = [], 0
    if kept:
        yield Records.of(kept)
