# SPDX-License-Identifier: LGPL-2.1-or-later
"""Places for files that only this user may see, never a predictable name in a shared directory."""

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from spo_trace.errors import SpoTraceError

__all__ = ["cache_directory", "scratch_directory"]


def cache_directory() -> Path:
    """Return this user's cache directory for spo-trace, made if need be (mode 0700)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    directory = Path(base) / "spo-trace"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SpoTraceError(
            f"the cache directory {directory} can't be made: {error.strerror}",
            hint="set XDG_CACHE_HOME to a directory of yours",
        ) from error
    return directory


@cache
def scratch_directory() -> Path:
    """Return a private directory that is removed when the process ends."""
    directory = Path(tempfile.mkdtemp(prefix="scratch-", dir=cache_directory()))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory
