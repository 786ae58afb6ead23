# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keys of a terminal, and what the terminal is like before, during and after."""

import os
import pty
import sys
import termios
from collections.abc import Iterator
from unittest.mock import patch

import pytest

from spo_trace.cli.keyboard import Keyboard


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Make standard input a terminal; return the descriptor that types, and that of the terminal."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "r") as stdin, patch.object(sys, "stdin", stdin):
        yield ours, theirs
    os.close(ours)


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        (b"qs ", ["q", "s", " "]),
        (b"\x1b[A\x1bOB\x1b[5~\x1b[6~\x1b[H\x1bOF", ["up", "down", "pageup", "pagedown", "home", "end"]),
        (b"\r\x7f\x08", ["enter", "backspace", "backspace"]),
        (b"\x1b", ["escape"]),
        ("ü漢".encode(), ["ü", "漢"]),
        # Keys that mean nothing: Ctrl-A, F5, Alt-x, bytes that are no UTF-8.
        (b"\x01\x1b[15~\x1bOPq", ["q"]),
        (b"\xff\xfeq", ["q"]),
    ],
)
def test_keys(terminal: tuple[int, int], typed: bytes, keys: list[str]) -> None:
    ours, _ = terminal
    keyboard = Keyboard()
    keyboard.open()
    os.write(ours, typed)
    found: list[str] = []
    while len(found) < len(keys):
        found += keyboard.keys(None)
    assert found == keys
    assert list(keyboard.keys(0)) == []
    keyboard.close()


def test_the_terminal_is_as_before(terminal: tuple[int, int]) -> None:
    ours, theirs = terminal
    before = termios.tcgetattr(theirs)
    keyboard = Keyboard()
    assert list(keyboard.keys(0)) == []
    keyboard.open()
    during = termios.tcgetattr(theirs)
    # THEN keys are not echoed and not collected to lines, and Ctrl-C is a signal
    assert before[3] & ~during[3] == termios.ICANON | termios.ECHO
    assert during[3] & termios.ISIG
    os.write(ours, b"rm -rf\n")
    keyboard.close()
    keyboard.close()
    assert termios.tcgetattr(theirs) == before
    assert not keyboard.is_open
    # AND the shell does not get what was typed
    os.set_blocking(theirs, False)
    with pytest.raises(BlockingIOError):
        os.read(theirs, 10)


def test_a_terminal_that_is_closed(terminal: tuple[int, int]) -> None:
    ours, _ = terminal
    keyboard = Keyboard()
    keyboard.open()
    with open(os.devnull) as null:  # noqa: PTH123
        os.dup2(null.fileno(), ours)
    assert list(keyboard.keys(None)) == []
    assert not keyboard.is_open
    keyboard.close()


def test_without_a_terminal() -> None:
    with open(os.devnull) as stdin, patch.object(sys, "stdin", stdin):  # noqa: PTH123
        keyboard = Keyboard()
        keyboard.open()
        assert not keyboard.is_open
