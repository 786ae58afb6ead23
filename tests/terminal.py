# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs of the command line in a terminal."""

import os
import pty
import termios
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, Popen

from tests.support import running

__all__ = ["in_shell", "in_terminal"]

# What is awaited on the terminal, and then the keys that are typed or the signal that is sent.
Script = Sequence[tuple[bytes, bytes | int]]

_SECONDS = 120


def in_terminal(
    arguments: list[str],
    directory: Path,
    *,
    until: bytes = b"",
    number: int = 0,
    columns: int = 100,
    env: Mapping[str, str] | None = None,
    script: Script = (),
    stdin: bool = True,
) -> tuple[int, bytes]:
    """Return the exit code and the output of a command on a terminal of 24 lines; send signal `number` after `until`.

    `env` is added to the environment. `stdin`: it is the terminal, too. The modes of the terminal must be as before.
    """
    master, slave = pty.openpty()
    modes = termios.tcgetattr(master)
    environment = {"TERM": "xterm", "COLUMNS": str(columns), "LINES": "24", **(env or {})}
    given = slave if stdin else DEVNULL
    with running(*arguments, cwd=directory, env=environment, stdin=given, stdout=slave, stderr=slave) as process:
        os.close(slave)
        with _guarded(process):
            seen = _converse(master, [(until, number), *script] if until else script, process)
            code = process.wait()
    assert termios.tcgetattr(master) == modes
    os.close(master)
    return code, seen


def in_shell(directory: Path, script: Script, shell: Sequence[str] = ("bash", "--norc")) -> bytes:
    """Return what an interactive shell on a terminal of 80 by 24 prints, until it exits."""
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24", "PS1": "$ "}
    environment["XDG_CACHE_HOME"] = str(directory / ".cache")
    # The terminal controls the shell, so that it has jobs.
    command = ["setsid", "--ctty", "--wait", *shell, "-i"]
    with Popen(command, cwd=directory, env=environment, stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        with _guarded(process):
            seen = _converse(master, script, process)
    os.close(master)
    return seen


@contextmanager
def _guarded(process: "Popen[bytes]") -> Iterator[None]:
    guard = threading.Timer(_SECONDS, process.kill)
    guard.start()
    try:
        yield
    finally:
        guard.cancel()


def _converse(master: int, script: Script, process: "Popen[bytes]") -> bytes:
    seen, start, steps = b"", 0, list(script)
    # EIO when the command exits and closes the other end.
    with suppress(OSError):
        while chunk := os.read(master, 1 << 16):
            seen += chunk
            while steps and (at := seen.find(steps[0][0], start)) >= 0:
                awaited, action = steps.pop(0)
                start = at + len(awaited)
                if isinstance(action, bytes):
                    os.write(master, action)
                else:
                    process.send_signal(action)
    return seen
