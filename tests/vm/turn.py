# SPDX-License-Identifier: LGPL-2.1-or-later
"""A limit for parallel guests, across processes: at most one for each processor of this machine."""

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
def turn(*, alone: bool) -> Iterator[None]:
    """Wait for a free processor of this machine, or for all of them if `alone`, and reserve it.

    $SPO_TRACE_GUEST_LOCK is the lock file for all of them; the same name with a number is the lock of one processor.
    """
    gate = Path(os.environ.get("SPO_TRACE_GUEST_LOCK") or kernels.cache_directory() / "guest.lock")
    gate.parent.mkdir(parents=True, exist_ok=True)
    host = os.cpu_count() or 1
    with ExitStack() as stack:
        locks = [stack.enter_context(gate.with_name(f"{gate.name}.{number}").open("a")) for number in range(host)]
        # Two processes that collect locks at the same time would deadlock.
        with gate.open("a") as first:
            fcntl.flock(first, fcntl.LOCK_EX)
            _lock_some(locks, host if alone else 1)
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
