# SPDX-License-Identifier: LGPL-2.1-or-later
"""Read a kernel file in a child process, which is abandoned if the read never ends.

On some kernels (reported for 6.17 with 64K pages) a read(2) of page_owner_stacks never returns and ignores signals. A
thread in such a call would keep this process from exiting, so another process reads. `cat` is the cheapest: it starts
in a millisecond and takes less than 1 MB of the memory that is measured; another Python takes 10 MB. subprocess uses
vfork(), which does not copy this process and is safe with threads.
"""

import os
import select
import shutil
import subprocess
from pathlib import Path

from spo_trace.formats.missing import Missing, Why
from spo_trace.sources.err_file import read_err

__all__ = ["Blocked", "ChildFailed", "abandoned", "read_in_child"]

# Searched before the user's PATH, as this runs as root.
_DIRECTORIES = "/usr/bin:/bin"

_CHUNK = 1 << 16


class ChildFailed(Exception):
    """Signal that a file could not be read, and why."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.text)
        self.why = why


class Blocked(ChildFailed):
    """Signal that the child returned no data for too long, and may never end."""


# Abandoned children. One that is stuck holds a processor or a lock, so no second one is started.
_abandoned: "list[subprocess.Popen[bytes]]" = []


def abandoned() -> bool:
    """Check whether an abandoned child still runs; children that have ended are dropped."""
    _abandoned[:] = [child for child in _abandoned if child.poll() is None]
    return bool(_abandoned)


def read_in_child(path: Path, timeout: float) -> bytes:
    """Return a file's content; raise Blocked if no data arrives for `timeout` seconds, ChildFailed on an error.

    A child that does not end is killed but not waited for. It shares nothing with this process: it has its own session,
    and its descriptors are two pipes and /dev/null. So a process that waits for this one,
    or for the end of its output, does not wait for the child.
    """
    cat = shutil.which("cat", path=_DIRECTORIES) or shutil.which("cat")
    if cat is None:
        raise ChildFailed(Why(Missing.READ_ERROR, "there is no `cat` command to read it"))
    child = subprocess.Popen(  # noqa: S603
        [cat, str(path.absolute())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"LC_ALL": "C"},
        cwd="/",
        start_new_session=True,
    )
    try:
        content, message = _read_pipes(child, timeout)
        status = _wait(child, timeout)
    except BaseException:
        _abandon(child)
        raise
    finally:
        for pipe in (child.stdout, child.stderr):
            assert pipe is not None
            pipe.close()
    if status:
        why = read_err(message)
        text = why.text or f"{cat} ended with status {status}"
        raise ChildFailed(Why(Missing.READ_ERROR if why.code is Missing.UNKNOWN else why.code, text))
    return content


def _abandon(child: "subprocess.Popen[bytes]") -> None:
    child.kill()
    _abandoned.append(child)
    abandoned()


def _read_pipes(child: "subprocess.Popen[bytes]", timeout: float) -> tuple[bytes, bytes]:
    assert child.stdout is not None and child.stderr is not None
    content, message = bytearray(), bytearray()
    into = {child.stdout.fileno(): content, child.stderr.fileno(): message}
    ready = select.poll()
    for fd in into:
        ready.register(fd, select.POLLIN)
    while into:
        events = ready.poll(1000 * timeout)
        if not events:
            raise _blocked(timeout)
        for fd, _ in events:
            chunk = os.read(fd, _CHUNK)
            into[fd] += chunk
            if not chunk:
                ready.unregister(fd)
                del into[fd]
    return bytes(content), bytes(message)


# A child that is stuck while it exits counts as blocked too.
def _wait(child: "subprocess.Popen[bytes]", timeout: float) -> int:
    try:
        return child.wait(timeout)
    except subprocess.TimeoutExpired:
        raise _blocked(timeout) from None


def _blocked(timeout: float) -> Blocked:
    return Blocked(Why(Missing.BLOCKED, f"reading it returned no data for {timeout:g} s and was abandoned"))
