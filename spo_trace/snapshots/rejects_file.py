# SPDX-License-Identifier: LGPL-2.1-or-later
"""rejects.txt: the first pieces of text that could not be parsed, each with its place and the reason."""

from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

from spo_trace.formats.escape import escape
from spo_trace.formats.record import Reject
from spo_trace.limits import MAX_REJECT_BYTES, MAX_REJECTS, MAX_REJECTS_BYTES

__all__ = ["NAME", "RejectsFile"]

NAME = "rejects.txt"


class RejectsFile:
    """Write rejects up to a limit, and count those beyond it. Without rejects, there is no file."""

    def __init__(self, create: Callable[[str], BinaryIO]) -> None:
        """`create` creates a file with a name and opens it for writing."""
        self._create = create
        self._file: BinaryIO | None = None
        self._kept = 0
        self._bytes = 0
        self._left_out = 0

    def add(self, reject: Reject) -> bool:
        """Write a reject, escaped; return whether it was within the limit."""
        if not self._left_out and self._kept < MAX_REJECTS:
            text = _text(reject)
            if self._bytes + len(text) <= MAX_REJECTS_BYTES:
                self._write(text)
                self._kept += 1
                return True
        self._left_out += 1
        return False

    def close(self) -> None:
        """Finish the file."""
        if self._left_out:
            self._write(f"# {self._left_out:,} more were counted, but are not kept here\n".encode())
        if self._file:
            self._file.close()

    def abandon(self) -> None:
        """Close the file, which is to be removed."""
        if self._file:
            # On a full disk, closing fails as writing did.
            with suppress(OSError):
                self._file.close()

    def _write(self, text: bytes) -> None:
        if self._file is None:
            self._file = self._create(NAME)
        self._file.write(text)
        self._bytes += len(text)


def _text(reject: Reject) -> bytes:
    lost = "record lost" if reject.lost else "record kept without this"
    head = f"# {reject.file} line {reject.line} byte {reject.offset}: {reject.reason} ({lost})\n"
    body = "".join(f"{escape(line)}\n" for line in reject.text[:MAX_REJECT_BYTES].split(b"\n"))
    rest = len(reject.text) - MAX_REJECT_BYTES
    return (head + body + (f"# {rest:,} more bytes of it are not kept here\n" if rest > 0 else "")).encode()
