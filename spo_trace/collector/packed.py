# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files of the capture that are compressed; native/collect/gzip.c does the same."""

import os
import zlib
from contextlib import suppress

from spo_trace.collector.output import Output, write

__all__ = ["Packed"]

# Of a file, so much may be in the page cache.
_CACHED_BYTES = 256 << 10

# As in native/collect/gzip.c, so that both write the same bytes.
_LEVEL, _GZIP_WINDOW, _MEMBER_BYTES = 1, 31, 60_000


class Packed:
    """A file of the capture that is compressed while it is written, and leaves the page cache soon."""

    def __init__(self, output: Output, name: str) -> None:
        """Begin the file NAME.gz."""
        self._output = output
        self._fd = output.begin(f"{name}.gz")
        self._member = _new_member()
        self._member_bytes = self._written = self._synced = 0

    def add(self, content: bytes | memoryview) -> None:
        """Add text."""
        if self._member_bytes and self._member_bytes + len(content) > _MEMBER_BYTES:
            self._write(self._member.flush())
            self._member, self._member_bytes = _new_member(), 0
        self._member_bytes += len(content)
        self._write(self._member.compress(content))

    def end(self, kept: bool = True) -> None:
        """Complete the file, or remove it."""
        self._write(self._member.flush())
        self._output.end(self._fd, kept)

    def _write(self, content: bytes) -> None:
        if not content:
            return
        write(self._fd, content)
        self._written += len(content)
        if self._written - self._synced >= _CACHED_BYTES:
            with suppress(OSError):
                os.fdatasync(self._fd)
                os.posix_fadvise(self._fd, 0, self._written, os.POSIX_FADV_DONTNEED)
            self._synced = self._written


def _new_member() -> "zlib._Compress":
    return zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
