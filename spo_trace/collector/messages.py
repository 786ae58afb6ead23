# SPDX-License-Identifier: LGPL-2.1-or-later
"""Messages for users, and the codes of .err files."""

import errno
import os
import sys

__all__ = ["CollectError", "code_of", "reason", "warn"]

# The codes that sources/err_file.py knows.
_CODES = {number: errno.errorcode[number] for number in (1, 2, 5, 7, 12, 13, 22, 27, 110)} | {errno.ENOTDIR: "ENOENT"}


class CollectError(Exception):
    """Signal that no capture can be made."""


def warn(message: str) -> None:
    """Print a message to standard error."""
    sys.stderr.buffer.write(b"spo-collect: " + os.fsencode(message) + b"\n")
    sys.stderr.buffer.flush()


def code_of(number: int) -> str:
    """Return the code of an errno."""
    return _CODES.get(number, "UNKNOWN")


def reason(error: OSError) -> str:
    """Return the system's message for an error."""
    return os.strerror(error.errno or 0)
