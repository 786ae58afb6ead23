# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where numba keeps what it compiled: paid once on a machine, and never loaded from where others may write."""

import atexit
import hashlib
import logging
import os
import platform
import shutil
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path

from spo_trace.errors import SpoTraceError
from spo_trace.private_files import cache_directory, refuse_shared

__all__ = ["use_cache"]

_SOURCES = ("bytescan.py", "intern_table.py", "page_scanner.py", "record.py")


def use_cache() -> bool:
    """Point numba, before it is imported, at this user's cache; return whether the scanner is compiled there.

    A directory that can't be written or that others may write to is not used: the code is compiled anew, to a
    directory that goes with the process.
    """
    try:
        directory = cache_directory() / f"numba-{_key()}"
        directory.mkdir(mode=0o700, exist_ok=True)
        refuse_shared(directory)
        # numba would look elsewhere, in directories that it does not check.
        tempfile.TemporaryFile(dir=directory).close()
    except (SpoTraceError, OSError) as error:
        logging.getLogger(__name__).info("the compiled scanner can't be kept: %s", error)
        directory = _passing_directory()
    os.environ["NUMBA_CACHE_DIR"] = str(directory)
    return any(directory.rglob("*.nbc"))


@cache
def _passing_directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="spo-trace-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


# numba looks at the one file that a function stands in, not at those whose functions it calls.
def _key() -> str:
    texts = [(Path(__file__).parent / name).read_bytes() for name in _SOURCES]
    texts.append(f"{version('numba')} {platform.python_version()} {platform.machine()}".encode())
    return hashlib.blake2b(b"\0".join(texts), digest_size=8).hexdigest()
