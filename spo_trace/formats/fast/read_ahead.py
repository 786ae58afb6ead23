# SPDX-License-Identifier: LGPL-2.1-or-later
"""Read and decompress a stream in a thread of its own, ahead of its consumer."""

from collections.abc import Iterable, Iterator
from queue import Full, Queue
from threading import Event, Thread

__all__ = ["read_ahead"]

# Chunks in advance: about 8 MB, a few outputs of a decompressor.
_DEPTH = 8

# Seconds after which a thread that waits for room in the queue checks whether its consumer stopped.
_SOON = 0.1


def read_ahead(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield `chunks`, a few of them read in advance; raise the exceptions of reading them.

    When the caller stops, the thread ends after its current read.
    """
    waiting: Queue[bytes | BaseException | None] = Queue(_DEPTH)
    stopped = Event()
    # A daemon thread, so that one that waits for a pipe does not keep the process from exiting.
    Thread(target=_read, args=(chunks, waiting, stopped), daemon=True).start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()


def _read(chunks: Iterable[bytes], waiting: "Queue[bytes | BaseException | None]", stopped: Event) -> None:
    try:
        for chunk in chunks:
            if not _put(chunk, waiting, stopped):
                return
    except BaseException as error:  # noqa: BLE001  # raised again where the chunks are asked for
        _put(error, waiting, stopped)
    _put(None, waiting, stopped)


def _put(item: bytes | BaseException | None, waiting: "Queue[bytes | BaseException | None]", stopped: Event) -> bool:
    while not stopped.is_set():
        try:
            waiting.put(item, timeout=_SOON)
        except Full:
            continue
        return True
    return False
