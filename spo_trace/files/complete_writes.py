# SPDX-License-Identifier: LGPL-2.1-or-later
"""Complete writes: all of the output is written, or an error is raised.

write(2) may take a part of the bytes: before a disk is full, and whenever a pipe is non-blocking. The buffers of Python
write the rest, but standard output has no such buffer if PYTHONUNBUFFERED is set, and buffers raise BlockingIOError for
a non-blocking pipe.
"""

import errno
import io
import os
import select
from typing import Any

__all__ = ["CompleteText", "CompleteWrites", "complete", "is_complete"]

# Bytes or characters handed over at once; after a short write, only the rest of one piece is copied again.
_PIECE = 1 << 18


class CompleteWrites(io.RawIOBase):
    """Write bytes to a binary file object, repeatedly until it has taken all of them; the object stays open."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of the file object; raise UnsupportedOperation if it has none."""
        return _descriptor(self._file)

    def isatty(self) -> bool:
        """Return whether the file object is a terminal."""
        return bool(getattr(self._file, "isatty", bool)())

    def write(self, data: Any, /) -> int:
        """Write all of `data`, and wait while a non-blocking pipe is full; raise OSError if nothing is taken."""
        view = memoryview(data).cast("B")
        for start in range(0, len(view), _PIECE):
            _write_all(self._file, bytes(view[start : start + _PIECE]))
        return len(view)

    def flush(self) -> None:
        """Write what the file object has buffered."""
        while hasattr(self._file, "flush"):
            try:
                self._file.flush()
            except BlockingIOError as error:
                _wait(self._file, error)
            else:
                break


class CompleteText(io.TextIOBase):
    """Write text to a text file object, repeatedly until it has taken all of it; the object stays open."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str, /) -> int:
        """Write all of `text`; raise OSError if nothing is taken."""
        for start in range(0, len(text), _PIECE):
            _write_all(self._file, text[start : start + _PIECE])
        return len(text)

    @property
    def buffer(self) -> CompleteWrites:
        """Return the binary file object below, with complete writes."""
        return CompleteWrites(self._file.buffer)


def complete(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """Return a stream like `stream`, to the same file, whose writes are complete; newlines are not translated."""
    stream.flush()
    return io.TextIOWrapper(
        CompleteWrites(stream.buffer),  # type: ignore[arg-type]  # every file object with these methods is accepted
        encoding=stream.encoding,
        errors=stream.errors,
        newline="",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def is_complete(stream: io.TextIOWrapper) -> bool:
    """Return whether the writes of `stream` are complete: it has a buffer, and its file is not non-blocking."""
    buffer: Any = stream.buffer
    if not isinstance(buffer, io.BufferedIOBase):
        return False
    try:
        return os.get_blocking(_descriptor(buffer))
    except io.UnsupportedOperation:
        # Such as io.BytesIO.
        return True


def _write_all(file: Any, data: Any) -> None:
    while data:
        try:
            taken = file.write(data)
        except BlockingIOError as error:
            # A buffer of Python says how much it has taken; otherwise, the attribute is missing.
            taken = getattr(error, "characters_written", 0)
            _wait(file, error)
        else:
            if taken is None and isinstance(file, io.RawIOBase):
                taken = 0
                _wait(file, BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)))
            elif not isinstance(taken, int) or isinstance(taken, bool):
                # An object of another kind, which does not return a count.
                return
            elif taken <= 0:
                raise OSError(errno.EIO, f"the output file takes no data: write() returned {taken}")
        data = data[taken:]


def _descriptor(file: Any) -> int:
    if not hasattr(file, "fileno"):
        raise io.UnsupportedOperation("fileno")
    return int(file.fileno())


def _wait(file: Any, error: BlockingIOError) -> None:
    try:
        descriptor = _descriptor(file)
    except io.UnsupportedOperation:
        raise error from None
    waiting = select.poll()
    waiting.register(descriptor, select.POLLOUT)
    waiting.poll()
