# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run the command line on a terminal."""

import os
import pty
import threading
from contextlib import suppress
from pathlib import Path

from tests.support import running

__all__ = ["in_terminal"]


def in_terminal(arguments: list[str], directory: Path, *, until: bytes = b"", number: int = 0) -> tuple[int, bytes]:
    """Return a command's exit code, and what it sends to a terminal of 100 by 24; signal it once `until` is there."""
    master, slave = pty.openpty()
    environment = {"TERM": "xterm", "COLUMNS": "100", "LINES": "24"}
    with running(*arguments, cwd=directory, env=environment, stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        guard = threading.Timer(60, process.kill)
        guard.start()
        seen = b""
        # EIO once the command has ended, and with it the other end.
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
