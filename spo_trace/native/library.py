# SPDX-License-Identifier: LGPL-2.1-or-later
"""The compiled library, built by hatch_build.py when spo-trace is installed on a machine with a C compiler."""

import ctypes
import logging
from functools import cache
from pathlib import Path

__all__ = ["PATH", "Library", "load"]

Library = ctypes.CDLL

PATH = Path(__file__).with_name("libspo.so")

# SPO_VERSION of scan.h; a library of another version has different structs.
_VERSION = 6

_MISSING = "the compiled scanner is missing: large texts take ten times as long; reinstall with a C compiler available"

# For example, a library of musl in a checkout whose Python uses glibc, or one older than the checkout.
_UNUSABLE = (
    "the compiled scanner does not fit (%s): large texts take ten times as long; reinstall with the C compiler of this "
    "Python's system"
)


@cache
def load() -> Library | None:
    """Return the library; None if there is none of this version, so that the reference parsers read all text."""
    logger = logging.getLogger(__name__)
    if not PATH.exists():
        logger.info(_MISSING)
        return None
    try:
        library = Library(str(PATH))
        version = int(library.spo_version())
    except (OSError, AttributeError) as error:
        logger.warning(_UNUSABLE, error)
        return None
    if version != _VERSION:
        logger.warning(_UNUSABLE, f"version {version} instead of {_VERSION}")
        return None
    return library
