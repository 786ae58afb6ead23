# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files and pipes that the user names as input."""

import io
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO, cast

from spo_trace.errors import Call, SpoTraceError, Text
from spo_trace.files.bundled import scenarios
from spo_trace.files.scratch import naming_full_disk, scratch_directory
from spo_trace.sources.compression import Rewound

__all__ = ["open_file", "spooled", "standard_input"]


# Not sys.stdin.buffer: if a thread still waits in a read of it at exit, its lock makes Python abort.
def standard_input() -> BinaryIO:
    """Open standard input; raise SpoTraceError if it is closed."""
    if sys.stdin is None:
        raise SpoTraceError("standard input is closed", hint="name a file instead of -")
    try:
        return cast(BinaryIO, os.fdopen(os.dup(sys.stdin.buffer.fileno()), "rb", buffering=0))
    except io.UnsupportedOperation:  # a program replaced sys.stdin
        return sys.stdin.buffer


def open_file(path: str) -> BinaryIO:
    """Open a file of the user; raise SpoTraceError if that fails."""
    try:
        return Path(path).open("rb")
    except OSError as error:
        hint: Text = "check the path"
        if path in scenarios():
            call = Call("snapshot", from_=path, backend="simulator", output=f"{path}.spo")
            hint = (f"the simulator has a scenario {path}: ", call)
        raise SpoTraceError(f"{path} can't be read: {error.strerror}", hint=hint) from error


def spooled(raw: Rewound) -> str:
    """Copy a pipe to a private file, which can be read more than once; return its path."""
    directory = scratch_directory()
    with naming_full_disk(), tempfile.NamedTemporaryFile(dir=directory, delete=False) as file:
        shutil.copyfileobj(raw, file)
    return file.name
