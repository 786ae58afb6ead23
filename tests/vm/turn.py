# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests take turns, also across processes: those that run have no more processors than this machine."""

import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from tests.vm import kernels

__all__ = ["turn"]


@contextmanager
def turn(processors: int) -> Iterator[None]:
    """Wait until so many of this machine's processors are free, all of them if it has fewer, and keep them.

    An emulated guest is as fast as the processors that it has. $SPO_TRACE_GUEST_LOCK names the file that stands for
    them; those beside it, with a number, stand for one each.
    """
    gate = Path(os.environ.get("SPO_TRACE_GUEST_LOCK") or kernels.cache_directory() / "guest.lock")
    gate.parent.mkdir(parents=True, exist_ok=True)
    host = os.cpu_count() or 1
    with ExitStack() as stack:
        locks = [stack.enter_context(gate.with_name(f"{gate.name}.{number}").open("a")) for number in range(host)]
        # Two that collect their locks at once would each wait for those that the other has.
        with gate.open("a") as first:
            fcntl.flock(first, fcntl.LOCK_EX)
            _lock_some(locks, min(processors, host))
        yield


def _lock_some(locks: Iterable[IO[str]], wanted: int) -> None:
    free = set(locks)
    while True:
        for lock in list(free):
            if wanted and _try_lock(lock):
                free.remove(lock)
                wanted -= 1
        if not wanted:
            return
        time.sleep(0.1)


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
