# SPDX-License-Identifier: LGPL-2.1-or-later
"""The errors for a snapshot or a recording whose files contain what spo-trace never writes."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from spo_trace.errors import SpoTraceError

__all__ = ["NOT_OURS", "Damage", "damaged", "naming_damage"]

_HINT = "was it copied completely? Copy it again, or take it again"

# What `files.regular` raises for a file that spo-trace did not write.
NOT_OURS = (errno.EINVAL, errno.EFBIG)

# Errors of pyarrow have no number.
_DAMAGE = (*NOT_OURS, None, errno.ENOENT)


class Damage(Exception):
    """Say what is wrong in a file; `naming_damage` adds the names of the directory and the file."""


def damaged(directory: Path | str, what: str) -> SpoTraceError:
    """Return the error that a snapshot or recording is damaged."""
    return SpoTraceError(f"{directory} is damaged: {what}", hint=_HINT)


@contextmanager
def naming_damage(path: Path | str) -> Iterator[None]:
    """Turn Damage and the errors of reading the file `path` (or the object with this URL) into a SpoTraceError."""
    directory, _, name = str(path).rpartition("/")
    directory = directory or "."
    try:
        yield
    except Damage as error:
        raise damaged(directory, f"{name}: {error}") from error
    except OSError as error:
        if error.errno not in _DAMAGE:
            raise SpoTraceError(f"{path} can't be read: {error.strerror}", hint="check its permissions") from error
        raise damaged(directory, f"{name}: {_first_line(error.strerror or error)}") from error
    # pyarrow raises errors of Python, such as UnicodeDecodeError, for some damaged footers.
    except (pa.ArrowException, ValueError, OverflowError, LookupError, TypeError) as error:
        raise damaged(directory, f"{name}: {_first_line(error)}") from error


def _first_line(error: object) -> str:
    return str(error).partition("\n")[0]
