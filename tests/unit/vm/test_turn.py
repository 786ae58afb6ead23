# SPDX-License-Identifier: LGPL-2.1-or-later
"""At most one guest per processor runs at the same time."""

import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.vm.turn import turn


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate two processors."""
    monkeypatch.setenv("SPO_TRACE_GUEST_LOCK", str(tmp_path / "lock"))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


def waits(*, alone: bool = False) -> tuple[threading.Event, Callable[[], None]]:
    """Start to wait for a turn; return an event that signals it, and a function that waits for its end."""
    came = threading.Event()

    def wait() -> None:
        with turn(alone=alone):
            came.set()

    thread = threading.Thread(target=wait)
    thread.start()
    return came, thread.join


def test_two_run_at_once_and_the_third_waits() -> None:
    with ExitStack() as second:
        with turn(alone=False):
            second.enter_context(turn(alone=False))
            came, join = waits()
            assert not came.wait(0.3)
        assert came.wait(10)
        join()


@pytest.mark.parametrize("alone", [True, False])
def test_an_exclusive_guest_and_others_wait_for_each_other(alone: bool) -> None:
    with turn(alone=not alone):
        came, join = waits(alone=alone)
        assert not came.wait(0.3)
    assert came.wait(10)
    join()


def test_guests_run_in_the_order_of_arrival() -> None:
    with turn(alone=False):
        alone, join_alone = waits(alone=True)
        assert not alone.wait(0.3)
        other, join_other = waits()
        # A processor is free, but a guest that waits for both would starve.
        assert not other.wait(0.3)
    assert alone.wait(10)
    assert other.wait(10)
    join_alone()
    join_other()
