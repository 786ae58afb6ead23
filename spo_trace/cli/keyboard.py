# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keys that are pressed on a terminal, one by one and without an echo."""

import codecs
import os
import re
import select
import sys
import termios
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

__all__ = ["Keyboard"]

_ARROWS = ("up", "down", "home", "end")

# Names of keys by what a terminal sends, in both modes of the arrows.
_NAMES = {
    **{f"\x1b{mode}{letter}": name for mode in "[O" for letter, name in zip("ABHF", _ARROWS, strict=True)},
    **{"\x1b[5~": "pageup", "\x1b[6~": "pagedown", "\x1b[1~": "home", "\x1b[4~": "end"},
    **{"\x1b": "escape", "\r": "enter", "\n": "enter", "\x7f": "backspace", "\x08": "backspace"},
}

# One key: a control sequence, or one character.
_KEY = re.compile("\x1b\\[[0-?]*[ -/]*[@-~]|\x1bO.|.", re.DOTALL)

# Seconds in which the rest of a control sequence follows the escape character.
_REST = 0.05

_READ = 1 << 10


class Keyboard:
    """Read keys from standard input while it is open; without a terminal there, no key is ever pressed."""

    def __init__(self) -> None:
        self._saved: list[Any] | None = None
        self._fd = -1
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="ignore")

    @property
    def is_open(self) -> bool:
        """Return whether keys can be pressed."""
        return self._saved is not None

    def open(self) -> None:
        """Let keys be read one by one. A process in the background of its terminal cannot, and would be stopped."""
        if sys.stdin is None or not sys.stdin.isatty():
            return
        self._fd = sys.stdin.fileno()
        with suppress(OSError):
            # An error: it is not the terminal that controls this process, and stops no process.
            if os.tcgetpgrp(self._fd) != os.getpgrp():
                return
        self._saved = termios.tcgetattr(self._fd)
        attributes = termios.tcgetattr(self._fd)
        # Ctrl-C, Ctrl-Z and Ctrl-\ stay signals.
        attributes[3] &= ~(termios.ICANON | termios.ECHO)
        attributes[6][termios.VMIN], attributes[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self._fd, termios.TCSANOW, attributes)

    def close(self) -> None:
        """Restore the terminal, and drop keys that were not read: the shell would take them for a command."""
        if self._saved is None:
            return
        saved, self._saved = self._saved, None
        # An error: the terminal is gone.
        with suppress(termios.error):
            termios.tcflush(self._fd, termios.TCIFLUSH)
            termios.tcsetattr(self._fd, termios.TCSANOW, saved)

    def keys(self, seconds: float | None) -> Iterator[str]:
        """Yield the keys that are pressed within `seconds` (None: no limit), or until some were pressed.

        A key is a character, or one of up, down, home, end, pageup, pagedown, enter, escape, backspace.
        """
        text = self._read(seconds)
        if text.endswith("\x1b"):
            text += self._read(_REST)
        for key in _KEY.findall(text):
            name = _NAMES.get(key, key)
            if name.isprintable():
                yield name

    def _read(self, seconds: float | None) -> str:
        if not self.is_open or not select.select([self._fd], [], [], seconds)[0]:
            return ""
        try:
            data = os.read(self._fd, _READ)
        except OSError:
            data = b""
        if not data:
            # The terminal was closed: it would be ready for reading forever.
            self._saved = None
        return self._decoder.decode(data)
