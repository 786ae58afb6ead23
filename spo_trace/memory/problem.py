# SPDX-License-Identifier: LGPL-2.1-or-later
"""The error of `memory` and of the loader, which the loader can send to another process."""

import struct

__all__ = ["COPY_AGAIN", "DAMAGE", "Problem"]

# Every number of a memory is input. Those that bound work are checked where they are read; a wrong offset or length
# shows as one of these errors.
DAMAGE = (ValueError, IndexError, OverflowError, struct.error)

# The hint for a dump whose own headers or pages are damaged.
COPY_AGAIN = "copy the dump again, or take another one"


class Problem(Exception):
    """Hold what went wrong and, in `hint`, how to fix it."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
