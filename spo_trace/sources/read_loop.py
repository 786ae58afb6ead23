# SPDX-License-Identifier: LGPL-2.1-or-later
"""The compiled loop (native/read_records.c) that reads records."""

import ctypes
import errno
import os
from array import array

from spo_trace.native.library import Library

__all__ = ["END", "FULL", "PAST", "ReadLoop"]

# enum spo_stop
FULL, PAST, END = range(3)

# More records than a call usually reads: a range has at most 8192 PFNs, and one_reader's buffer holds about 3,000
# records. With more, the call stops as if the buffer were full.
_MOST = 1 << 14


class _Batch(ctypes.Structure):
    _fields_ = (
        ("text", ctypes.c_void_p),
        ("ends", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("room", "longest", "most", "end", "count", "position")),
    )


class ReadLoop:
    """Read records from a descriptor, at most `longest` bytes at a time, the GIL released."""

    def __init__(self, library: Library, fd: int, longest: int) -> None:
        self._read = library.spo_read_records
        self._fd = fd
        self._ends = (ctypes.c_int64 * _MOST)()
        self._batch = _Batch(None, ctypes.addressof(self._ends), 0, longest, _MOST)

    def read(self, room: memoryview, end: int | None) -> "tuple[array[int], int, int]":
        """Read the next records into `room`; return where they end (int64), why reading stopped, and a position.

        The reason is FULL, PAST, END or -ENOMEM; the position is that after a record that is PAST `end`. Raise OSError
        for other errors.
        """
        batch = self._batch
        batch.text = ctypes.addressof(ctypes.c_char.from_buffer(room)) if room else None
        batch.room = len(room)
        batch.end = -1 if end is None else end
        stop = int(self._read(self._fd, ctypes.byref(batch)))
        if stop < 0 and stop != -errno.ENOMEM:
            raise OSError(-stop, os.strerror(-stop))
        ends = array("q", memoryview(self._ends).cast("B")[: 8 * batch.count].tobytes())
        return ends, stop, batch.position
