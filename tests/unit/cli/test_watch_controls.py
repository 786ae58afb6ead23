# SPDX-License-Identifier: LGPL-2.1-or-later
"""The keys of watch, without a terminal."""

import pytest

from spo_trace.analysis.growth import ORDERS
from spo_trace.cli.watch_controls import SORTS, Change, Controls


def pressed(controls: Controls, keys: str) -> list[Change]:
    """Press one character after the other; return what they changed."""
    return [controls.press(key) for key in keys]


def test_quit_pause_and_sort() -> None:
    controls = Controls("growth")
    assert pressed(controls, "q?pp ") == [Change.QUIT, Change.NOTHING, *[Change.DISPLAY] * 3]
    assert controls.paused and "p go on" in controls.line()
    seen = [controls.sort]
    while controls.press("s") is Change.ROWS and controls.sort != seen[0]:
        seen.append(controls.sort)
    assert tuple(seen) == SORTS and set(SORTS) == set(ORDERS.names)


def test_the_selection_stays_within_the_rows() -> None:
    controls = Controls("growth")
    for keys, selected in ((["up"], 0), (["down", "down"], 2), (["pagedown"], 4), (["home"], 0), (["end"], 4)):
        for key in keys:
            assert controls.press(key) is Change.DISPLAY
            controls.limit(5)
        assert controls.selected == selected
    controls.limit(0)
    assert controls.selected == 0


def test_a_filter_is_typed() -> None:
    controls = Controls("growth", selected=3)
    assert pressed(controls, "fqsx") == [Change.DISPLAY] * 4
    assert controls.line()[0] == "filter: qsx_"
    assert [controls.press(key) for key in ("backspace", "up", "enter")] == [*[Change.DISPLAY] * 2, Change.ROWS]
    assert (controls.matching, controls.selected) == ("qs", 0)
    assert "f filter: qs" in controls.line()
    # Esc leaves a prompt, and then the filter.
    assert [controls.press(key) for key in ("f", "z", "escape", "escape")] == [*[Change.DISPLAY] * 3, Change.ROWS]
    assert controls.matching == ""


def test_other_keys_are_typed() -> None:
    controls = Controls("growth")
    assert pressed(controls, "bcomm, pid,") == [Change.DISPLAY] * 11
    assert controls.press("enter") is Change.KEYS
    assert controls.asked_keys == ["comm", "pid"]
    assert [controls.press(key) for key in ("b", "enter")] == [Change.DISPLAY] * 2


def test_stacks_of_an_owner() -> None:
    controls = Controls("growth", selected=2, matching="x")
    assert controls.press("enter") is Change.ZOOM_IN
    controls.show_all("dd")
    assert (controls.selected, controls.matching, controls.zoomed) == (0, "", "dd")
    assert "Esc back" in controls.line()
    assert controls.press("enter") is Change.NOTHING
    assert controls.press("escape") is Change.ZOOM_OUT


def test_a_message_stays_until_the_next_key() -> None:
    controls = Controls("growth", message=["there is no key 'x'", "choose one"])
    assert controls.line() == ["there is no key 'x'", "choose one"]
    controls.press("down")
    assert controls.line()[0] == "q quit"


@pytest.mark.parametrize("zoomed", [None, "dd"])
@pytest.mark.parametrize("paused", [True, False])
def test_the_keys_fit_80_columns(zoomed: str | None, paused: bool) -> None:
    assert all(len("  ".join(Controls(sort, paused=paused, zoomed=zoomed).line())) <= 80 for sort in SORTS)
