# SPDX-License-Identifier: LGPL-2.1-or-later
"""NAME.err of a capture: why NAME could not be read on the machine, as a code and the reader's message."""

import re

from spo_trace.formats.escape import escape
from spo_trace.formats.missing import Missing, Why
from spo_trace.limits import MAX_ERROR_BYTES

__all__ = ["read_err"]

_CODE = re.compile(rb"(E[A-Z0-9]+|UNKNOWN): ")

# The name of an errno, which the capture script writes first.
_BY_CODE = {
    b"ENOENT": Missing.NO_FILE,
    b"EACCES": Missing.PERMISSION,
    b"EPERM": Missing.PERMISSION,
    b"EINVAL": Missing.NOT_SWITCHED_ON,
    b"ETIMEDOUT": Missing.BLOCKED,
    b"EIO": Missing.READ_ERROR,
    b"ENOMEM": Missing.READ_ERROR,
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
    errno = coded[1] if coded else _errno_at_end(content)
    text = content[coded.end() :] if coded else content
    return Why(_BY_CODE.get(errno, Missing.UNKNOWN), escape(text))


def _errno_at_end(message: bytes) -> bytes:
    return next((errno for text, errno in _BY_MESSAGE.items() if message.endswith(text)), b"")
