# SPDX-License-Identifier: LGPL-2.1-or-later
"""The whole terminal as a screen of watch, which is given back whenever the process ends or stops."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

from spo_trace.cli.keyboard import Keyboard

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

__all__ = ["Screen"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP)


class Screen:
    """Draw on the alternate screen of the terminal, and read keys, from `open` to `close`."""

    def __init__(self) -> None:
        self.keyboard = Keyboard()
        self._live: Live | None = None
        self._handlers: dict[int, Any] = {}

    def open(self) -> None:
        """Take the terminal, unless that is done already."""
        if self._live is None:
            with _uninterrupted():
                self._catch(signal.SIGTSTP, self._suspend)
                self._catch(signal.SIGQUIT, _quit)
                self._start("")

    def draw(self, view: "RenderableType") -> None:
        """Replace what is on the open screen. It is drawn again if the terminal changes its size."""
        assert self._live is not None
        self._live.update(view, refresh=True)

    def close(self) -> None:
        """Restore the terminal."""
        with _uninterrupted():
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            self._handlers.clear()
            self._leave()

    def _start(self, view: "RenderableType") -> None:
        from rich.live import Live

        self.keyboard.open()
        self._live = Live(view, screen=True, refresh_per_second=2, redirect_stdout=False)
        self._live.start()

    # After SIGHUP, the terminal is gone.
    def _leave(self) -> None:
        live, self._live = self._live, None
        with suppress(OSError):
            if live:
                live.stop()
        self.keyboard.close()

    # What is ignored, such as by nohup, stays ignored.
    def _catch(self, number: int, handler: Any) -> None:
        if number not in self._handlers and signal.getsignal(number) is signal.SIG_DFL:
            self._handlers[number] = signal.signal(number, handler)

    # Ctrl-Z: the shell gets its terminal back, until the process continues.
    def _suspend(self, number: int, frame: FrameType | None) -> None:
        view = self._live.get_renderable() if self._live else None
        with _uninterrupted():
            self._leave()
        ours = signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        signal.signal(number, ours)
        if view is not None:
            with _uninterrupted():
                self._start(view)


# Ctrl-\\ would leave the terminal as it is.
def _quit(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


# A second Ctrl-C must not leave the terminal half restored.
@contextmanager
def _uninterrupted() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
