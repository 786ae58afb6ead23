# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs of the command line in a terminal."""

import os
import pty
import threading
from contextlib import suppress
from pathlib import Path

from tests.support import running

__all__ = ["in_terminal"]


def in_terminal(arguments: list[str], directory: Path, *, until: bytes = b"", number: int = 0) -> tuple[int, bytes]:
    """Return the exit code and the output of a command on a 100 by 24 terminal; send signal `number` after `until`."""
    master, slave = pty.openpty()
    environment = {"TERM": "xterm", "COLUMNS": "100", "LINES": "24"}
    with running(*arguments, cwd=directory, env=environment, stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        guard = threading.Timer(60, process.kill)
        guard.start()
        seen = b""
        # EIO when the command exits and closes the other end.
        with suppress(OSError):
            while chunk := os.read(master, 1 << 16):
                seen += chunk
                if until and until in seen:
                    process.send_signal(number)
                    until = b""
        code = process.wait()
        guard.cancel()
    os.close(master)
    return code, seen
