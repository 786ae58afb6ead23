# SPDX-License-Identifier: LGPL-2.1-or-later
"""Open files of untrusted directories for reading: regular files only, without following links or waiting."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

__all__ = ["open_regular", "read_regular"]

# Without O_NONBLOCK, opening a FIFO waits for a writer.
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


def open_regular(path: Path | str, parent: int | None = None, *, follow_links: bool = False) -> BufferedReader:
    """Open a regular file (in the open directory `parent`, if given) for reading.

    Raise OSError for a FIFO, a device, a directory or, unless `follow_links` is given, a link.
    """
    try:
        fd = os.open(path, _READ if follow_links else _READ | os.O_NOFOLLOW, dir_fd=parent)
    except OSError as error:
        if error.errno == errno.ELOOP and not follow_links:
            raise _unusual("a symbolic link", path) from error
        if error.errno == errno.ENXIO:
            raise _unusual("a socket", path) from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise _unusual("not a regular file", path)
        return os.fdopen(fd, "rb")
    except BaseException:
        os.close(fd)
        raise


def read_regular(path: Path, limit: int) -> bytes:
    """Return the content of a regular file; raise OSError as `open_regular` does, or if it exceeds `limit` bytes."""
    with open_regular(path) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit:,} bytes", str(path))
    return content


def _unusual(what: str, path: Path | str) -> OSError:
    return OSError(errno.EINVAL, what, str(path))
