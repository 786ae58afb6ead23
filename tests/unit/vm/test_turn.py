# SPDX-License-Identifier: LGPL-2.1-or-later
"""No more processors are taken than there are."""

import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.vm.turn import turn


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have two processors."""
    monkeypatch.setenv("SPO_TRACE_GUEST_LOCK", str(tmp_path / "lock"))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


def waits(processors: int) -> tuple[threading.Event, Callable[[], None]]:
    """Start to wait for a turn; return what tells that it came, and what joins in on it."""
    came = threading.Event()

    def wait() -> None:
        with turn(processors):
            came.set()

    thread = threading.Thread(target=wait)
    thread.start()
    return came, thread.join


def test_two_small_guests_run_at_once_and_the_third_waits() -> None:
    with ExitStack() as second:
        with turn(1):
            second.enter_context(turn(1))
            came, join = waits(1)
            assert not came.wait(0.3)
        assert came.wait(10)
        join()


def test_a_large_guest_runs_alone() -> None:
    with turn(1):
        came, join = waits(2)
        assert not came.wait(0.3)
    assert came.wait(10)
    join()


def test_more_processors_than_there_are_is_all_of_them() -> None:
    with turn(8):
        came, join = waits(1)
        assert not came.wait(0.3)
    assert came.wait(10)
    join()


def test_who_came_first_is_first() -> None:
    with turn(1):
        large, join_large = waits(2)
        assert not large.wait(0.3)
        small, join_small = waits(1)
        # A processor is free, but the large one, which needs both, would wait for ever.
        assert not small.wait(0.3)
    assert large.wait(10)
    assert small.wait(10)
    join_large()
    join_small()
