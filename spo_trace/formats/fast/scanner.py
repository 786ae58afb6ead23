# SPDX-License-Identifier: LGPL-2.1-or-later
"""The compiled scanner (native/scan.h): a run's rows, the records that it does not recognise, and its strings."""

import ctypes
import os
import secrets
import weakref
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spo_trace.formats.runs import Buffer, FileRun, Run
from spo_trace.native.library import Library

__all__ = ["COMM", "FLAGS", "GFP", "MIGRATETYPE", "PAGE_ROW", "STACK", "SWAP_ROW", "TAIL", "Rows", "Scanned", "Scanner"]

Rows = npt.NDArray[np.void]

# enum spo_kind: the kinds of strings that a record has.
GFP, COMM, MIGRATETYPE, FLAGS, STACK, TAIL = range(6)

# enum spo_status
_DONE, _NO_ROOM, _NO_MEMORY = range(3)

_START = [("start", np.int64), ("line", np.int64)]

# struct spo_page_row: gfp … tail are numbers of strings.
PAGE_ROW = np.dtype(
    [
        *_START,
        ("pfn", np.int64),
        ("ts_nsec", np.int64),
        ("free_ts_nsec", np.int64),
        ("pid", np.int32),
        ("tgid", np.int32),
        *((name, np.uint32) for name in ("gfp", "comm", "migratetype", "pageblock_migratetype", "flags")),
        *((name, np.uint32) for name in ("stack", "tail")),
        ("order", np.uint8),
        ("swapped", np.bool_),
    ],
    align=True,
)

# struct spo_swap_row
SWAP_ROW = np.dtype(
    [
        *_START,
        ("swp_entry", np.uint64),
        ("ts_nsec", np.int64),
        ("pid", np.int32),
        ("tgid", np.int32),
        *((name, np.uint32) for name in ("comm", "stack", "tail")),
    ],
    align=True,
)

# struct spo_left: a record from byte `start` to `end`, before row `row`.
_LEFT = np.dtype([*_START, ("row", np.int64), ("end", np.int64)])

_FUNCTIONS = {PAGE_ROW: "spo_scan_pages", SWAP_ROW: "spo_scan_swap"}

_ROWS = 1 << 14


# Bytes of a file that are read and scanned at a time. Of 32 KiB to 8 MiB, 64 and 128 KiB were the fastest with an L2
# cache of 1 MiB for each processor.
_WINDOW = 1 << 17


class _Block(ctypes.Structure):
    _fields_ = (
        ("text", ctypes.c_void_p),
        ("size", ctypes.c_int64),
        ("ends", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("n_ends", "offset", "window", "start", "read", "whole")),
        *((name, ctypes.c_int32) for name in ("fd", "error")),
    )


class _Scan(ctypes.Structure):
    _fields_ = (
        ("rows", ctypes.c_void_p),
        ("left", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("rows_room", "left_room", "n_rows", "n_left")),
        *((name, ctypes.c_int64) for name in ("byte", "line", "n_records")),
    )


class Scanned(NamedTuple):
    """Hold the contents of a run. Bytes and rows are in the scanner's buffers, and valid until its next run.

    `text` returns the bytes from one to another, of `size`; `delimited`: each record ends where read(2) ended it;
    `left`: the records that were not recognised (fields of struct spo_left); `strings`: new strings, each with its
    kind; `lines`: number of newlines.
    """

    text: Callable[[int, int], bytes]
    size: int
    delimited: bool
    rows: Rows
    left: Rows
    strings: list[tuple[int, bytes]]
    lines: int


class Scanner:
    """Scan runs one at a time with a private table of strings, without the GIL."""

    def __init__(self, library: Library, row: np.dtype[np.void]) -> None:
        self._library = library
        self._function = getattr(library, _FUNCTIONS[row])
        # These are 64 bits wide; the default of ctypes is int.
        library.spo_strings_new.restype = ctypes.c_void_p
        library.spo_strings_count.restype = ctypes.c_int64
        library.spo_string.restype = ctypes.c_void_p
        # With a random seed, users cannot choose process names that collide.
        seed = ctypes.c_uint64(secrets.randbits(64))
        self._strings = ctypes.c_void_p(library.spo_strings_new(seed))
        if not self._strings:
            raise MemoryError
        weakref.finalize(self, library.spo_strings_free, self._strings)
        self._known = 0
        self._buffer = Buffer()
        self._rows = np.zeros(_ROWS, row)
        self._left = np.zeros(_ROWS, _LEFT)

    def scan(self, run: Run | FileRun) -> Scanned:
        """Read a run and return its contents."""
        return self._scan_file(run) if isinstance(run, FileRun) else self._scan_text(run)

    def _scan_text(self, run: Run) -> Scanned:
        size, ends = run.fill(self._buffer)
        text = self._buffer.padded(size)
        block = _Block(text.ctypes.data, size, None, fd=-1)
        if ends is not None:
            block.ends, block.n_ends = ends.ctypes.data, len(ends)
        return self._scanned(block, lambda start, end: bytes(text.data[start:end]), delimited=ends is not None)

    def _scan_file(self, run: FileRun) -> Scanned:
        text = self._buffer.padded(run.size)
        block = _Block(text.ctypes.data, run.size, None, offset=run.offset, window=_WINDOW, fd=run.fd)
        scanned = self._scanned(block, partial(_pread, run), delimited=False)
        if block.error:
            run.failed(block.error)
        return scanned

    def _scanned(self, block: _Block, text: Callable[[int, int], bytes], *, delimited: bool) -> Scanned:
        state = _Scan()
        while (status := self._go_on(block, state)) == _NO_ROOM:
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
            self._left = np.concatenate([self._left, np.zeros_like(self._left)])
        if status == _NO_MEMORY:
            raise MemoryError
        rows, left = self._rows[: state.n_rows], self._left[: state.n_left]
        return Scanned(text, block.size, delimited, rows, left, self._new_strings(), state.line)

    def _go_on(self, block: _Block, state: _Scan) -> int:
        state.rows, state.rows_room = self._rows.ctypes.data, len(self._rows)
        state.left, state.left_room = self._left.ctypes.data, len(self._left)
        return int(self._function(self._strings, ctypes.byref(block), ctypes.byref(state)))

    def _new_strings(self) -> list[tuple[int, bytes]]:
        first, self._known = self._known, int(self._library.spo_strings_count(self._strings))
        return [self._string(number) for number in range(first, self._known)]

    def _string(self, number: int) -> tuple[int, bytes]:
        length, kind = ctypes.c_int64(), ctypes.c_int32()
        arguments = ctypes.c_int64(number), ctypes.byref(length), ctypes.byref(kind)
        start = self._library.spo_string(self._strings, *arguments)
        return kind.value, ctypes.string_at(start, length.value)


# Records that are left to the reference parser are few.
def _pread(run: FileRun, start: int, end: int) -> bytes:
    return os.pread(run.fd, end - start, run.offset + start)
