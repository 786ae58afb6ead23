# SPDX-License-Identifier: LGPL-2.1-or-later
"""Why a kernel file cannot be read: a code for programs, a sentence for users."""

from enum import StrEnum
from typing import NamedTuple

__all__ = ["Missing", "Why"]


class Missing(StrEnum):
    """Name a cause; snapshot.json and `doctor --format json` contain these values."""

    BLOCKED = "blocked"
    CONTAINER = "container"
    DEBUGFS_OFF = "debugfs_off"
    EMPTY = "empty"
    LOCKDOWN = "lockdown"
    NOT_ASKED_FOR = "not_asked_for"
    NOT_BUILT_IN = "not_built_in"
    NOT_IN_CAPTURE = "not_in_capture"
    NOT_MOUNTED = "not_mounted"
    NOT_ROOT = "not_root"
    NOT_SWITCHED_ON = "not_switched_on"
    NO_DEBUGFS = "no_debugfs"
    NO_FILE = "no_file"
    PERMISSION = "permission"
    READ_ERROR = "read_error"
    TOO_LARGE = "too_large"
    UNKNOWN = "unknown"


class Why(NamedTuple):
    """Hold a cause, a sentence that describes it, and the next step if one is known."""

    code: Missing
    text: str
    hint: str = ""
