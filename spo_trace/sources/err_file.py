# SPDX-License-Identifier: LGPL-2.1-or-later
"""NAME.err of a capture: why NAME could not be read on the machine, as a code and the reader's message."""

import errno
import re

from spo_trace.formats.escape import escape
from spo_trace.formats.missing import Missing, Why
from spo_trace.limits import MAX_ERROR_BYTES

__all__ = ["code_of_err", "read_err", "skipped_records"]

_CODE = re.compile(rb"(E[A-Z0-9]+|UNKNOWN): ")

_NUMBER = re.compile(rb"E2BIG: ([1-9]\d{0,17}) records ")

# The name of an errno, which the capture script writes first.
_BY_CODE = {
    b"ENOENT": Missing.NO_FILE,
    b"EACCES": Missing.PERMISSION,
    b"EPERM": Missing.PERMISSION,
    b"EINVAL": Missing.NOT_SWITCHED_ON,
    b"ETIMEDOUT": Missing.BLOCKED,
    b"EIO": Missing.READ_ERROR,
    b"ENOMEM": Missing.READ_ERROR,
    b"EFBIG": Missing.READ_ERROR,
    # From the collector: records of the file do not fit the kernel's buffer, and the others are there.
    b"E2BIG": Missing.TOO_LARGE,
}

# For captures without codes: messages of cat in the C locale, with glibc, musl or bionic. In other languages the cause
# is unknown.
_BY_MESSAGE = {
    b"No such file or directory": b"ENOENT",
    b"Permission denied": b"EACCES",
    b"Operation not permitted": b"EPERM",
    b"Invalid argument": b"EINVAL",
    b"Input/output error": b"EIO",
    b"I/O error": b"EIO",
    b"Cannot allocate memory": b"ENOMEM",
    b"Out of memory": b"ENOMEM",
}


def read_err(content: bytes) -> Why:
    """Return why a file is missing or cut off, from the first MAX_ERROR_BYTES bytes of its .err file."""
    # A file whose data never reached the disk is full of NUL.
    content = content[:MAX_ERROR_BYTES].strip(b" \t\r\n\0")
    coded = _CODE.match(content)
    name = coded[1] if coded else _errno_at_end(content)
    text = content[coded.end() :] if coded else content
    return Why(_BY_CODE.get(name, Missing.UNKNOWN), escape(text))


def code_of_err(content: bytes) -> int | None:
    """Return the errno that a .err file begins with, None if it has none or an unknown one."""
    coded = _CODE.match(content)
    return getattr(errno, coded[1].decode(), None) if coded else None


def skipped_records(content: bytes) -> int:
    """Return how many records do not fit the kernel's buffer, by a .err file with code E2BIG; at least 1."""
    found = _NUMBER.match(content)
    return int(found[1]) if found else 1


def _errno_at_end(message: bytes) -> bytes:
    return next((name for text, name in _BY_MESSAGE.items() if message.endswith(text)), b"")
