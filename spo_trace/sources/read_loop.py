# SPDX-License-Identifier: LGPL-2.1-or-later
"""The compiled loop (native/read_records.c) that reads one record after the other."""

import ctypes
import errno
import os
from array import array

from spo_trace.formats.record import Records
from spo_trace.native.library import Library

__all__ = ["END", "FULL", "PAST", "ReadLoop"]

# enum spo_stop
FULL, PAST, END = range(3)

# Far more than the records that fill the text's room; 2048 page frames of order 0 are a usual range.
_MOST = 1 << 14


class _Batch(ctypes.Structure):
    _fields_ = (
        ("text", ctypes.c_void_p),
        ("ends", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("room", "longest", "most", "end", "count", "position")),
    )


class ReadLoop:
    """Read records from a descriptor into a buffer of `room` bytes, at most `longest` at a time, the GIL released."""

    def __init__(self, library: Library, fd: int, room: int, longest: int) -> None:
        self._read = library.spo_read_records
        self._fd = fd
        self._text = (ctypes.c_char * room)()
        self._ends = (ctypes.c_int64 * _MOST)()
        self._batch = _Batch(ctypes.addressof(self._text), ctypes.addressof(self._ends), room, longest, _MOST)

    def read(self, end: int | None) -> tuple[Records, int, int]:
        """Return the next records, why there are no more (FULL … or -ENOMEM), and the position after one that is PAST.

        Raise OSError for any other error.
        """
        batch = self._batch
        batch.end = -1 if end is None else end
        stop = int(self._read(self._fd, ctypes.byref(batch)))
        if stop < 0 and stop != -errno.ENOMEM:
            raise OSError(-stop, os.strerror(-stop))
        ends = array("q", memoryview(self._ends).cast("B")[: 8 * batch.count].tobytes())
        size = ends[-1] if ends else 0
        return Records(memoryview(self._text)[:size].tobytes(), ends), stop, batch.position
