# SPDX-License-Identifier: LGPL-2.1-or-later
"""Apply a function to inputs in threads, with results in order and few of them in memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["ordered"]

T = TypeVar("T")
R = TypeVar("R")


def ordered(function: Callable[[T], R], inputs: Iterable[T], jobs: int) -> Iterator[R]:
    """Yield `function` of each input, in order; if `jobs` > 1, in as many threads, at most `jobs` inputs ahead."""
    if jobs == 1:
        yield from map(function, inputs)
        return
    with ThreadPoolExecutor(jobs, thread_name_prefix="ordered") as pool:
        pending: deque[Future[R]] = deque()
        try:
            for item in inputs:
                pending.append(pool.submit(function, item))
                if len(pending) > jobs:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
