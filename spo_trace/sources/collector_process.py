# SPDX-License-Identifier: LGPL-2.1-or-later
"""A process of the collector: started, followed, and ended with this one."""

import os
import select
import signal
import subprocess
from collections.abc import Callable, Sequence
from typing import BinaryIO

from spo_trace.files.descriptors import exists
from spo_trace.limits import MAX_ERROR_BYTES

__all__ = ["CollectorFailed", "run", "why_failed"]

_PREFIX = b"spo-collect: "

# After SIGTERM, the collector removes its files and exits. It could be stuck in the kernel.
_SECONDS_TO_EXIT = 5.0

Report = Callable[[Sequence[str]], None]


class CollectorFailed(Exception):
    """Signal that the collector left no capture, and why."""


def run(commands: Sequence[Sequence[str]], into: int, name: str, report: Report) -> None:
    """Run the first of `commands` that can be executed, to collect a capture with this name in the directory `into`.

    `report` gets the words of each line of progress. Raise CollectorFailed if there is no capture at the end.
    """
    process, progress = _started(commands, into, name)
    with process, progress:
        try:
            message = _followed(process, progress, report)
            process.wait()
        except BaseException:
            _end(process)
            raise
    if not exists(name, into):
        raise CollectorFailed(why_failed(process.returncode, message))


def _started(commands: Sequence[Sequence[str]], into: int, name: str) -> "tuple[subprocess.Popen[bytes], BinaryIO]":
    ours, theirs = os.pipe()
    failed: OSError | None = None
    try:
        for command in commands:
            try:
                process = subprocess.Popen(  # noqa: S603
                    [*command, "-p", str(theirs), f"/proc/self/fd/{into}/{name}"],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    pass_fds=(into, theirs),
                    # Without SUDO_UID: the capture is this process's own.
                    env={"LC_ALL": "C"},
                )
            except OSError as error:
                failed = error
                continue
            return process, os.fdopen(ours, "rb", buffering=0)
        assert failed is not None
        raise CollectorFailed(f"the collector cannot be started: {failed.strerror}") from failed
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)


# Report what the process writes until it closes its ends of both pipes; return its messages.
def _followed(process: "subprocess.Popen[bytes]", progress: BinaryIO, report: Report) -> bytes:
    assert process.stderr is not None
    into = {progress.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    ready = select.poll()
    for fd in into:
        ready.register(fd, select.POLLIN)
    while into:
        for fd, _ in ready.poll():
            part = os.read(fd, 1 << 12)
            into[fd] += part
            if not part:
                ready.unregister(fd)
                message = into.pop(fd)
                if fd == process.stderr.fileno():
                    said = bytes(message)
            elif fd == progress.fileno():
                *lines, rest = into[fd].split(b"\n")
                into[fd] = rest
                for line in lines[-1:]:
                    report(os.fsdecode(bytes(line)).split(" "))
            else:
                del into[fd][:-MAX_ERROR_BYTES]
    return said


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_SECONDS_TO_EXIT)
    except subprocess.TimeoutExpired:
        process.kill()


def why_failed(status: int, message: bytes) -> str:
    """Return why the collector left no capture, by its exit status (negative: a signal) and its messages."""
    lines = [line.removeprefix(_PREFIX) for line in message.splitlines()]
    if status < 0:
        return f"the collector was ended by {signal.Signals(-status).name}"
    return os.fsdecode(lines[-1]) if lines else f"the collector ended with status {status}"
