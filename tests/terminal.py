# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs of the command line in a terminal."""

import os
import pty
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.support import running

__all__ = ["in_terminal"]


def in_terminal(
    arguments: list[str],
    directory: Path,
    *,
    until: bytes = b"",
    number: int = 0,
    columns: int = 100,
    env: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    """Return the exit code and the output of a command on a terminal of 24 lines; send signal `number` after `until`.

    `env` is added to the environment.
    """
    master, slave = pty.openpty()
    environment = {"TERM": "xterm", "COLUMNS": str(columns), "LINES": "24", **(env or {})}
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
