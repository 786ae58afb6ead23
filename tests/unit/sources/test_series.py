# SPDX-License-Identifier: LGPL-2.1-or-later
"""The sources of samples, and when each is read."""

import time
from itertools import islice
from pathlib import Path
from unittest.mock import patch

import pytest

from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.sources.live import LiveSource
from spo_trace.sources.series import choose_series, paced
from tests.support import CARRIED, FakeSource, capture, page


def test_this_machine_is_an_endless_series() -> None:
    sources = list(islice(choose_series(None, []), 3))
    assert [source.kind for source in sources] == ["live"] * 3
    # They share what does not change of the kernel; another series has its own.
    planners = {id(source.request.planner) for source in sources if isinstance(source, LiveSource)}
    (other,) = islice(choose_series(None, []), 1)
    assert isinstance(other, LiveSource) and other.request.planner is not None
    assert len(planners) == 1 and id(other.request.planner) not in planners


def test_captures_and_directories_of_them(tmp_path: Path) -> None:
    one = str(capture(tmp_path / "one", {"page_owner": page()}))
    capture(tmp_path / "many/b/sys/kernel/debug", {"page_owner": page()})
    capture(tmp_path / "many/a", {"page_owner": page()})
    capture(tmp_path / "many/notes", {"readme": b"x"})
    # A killed command left this.
    capture(tmp_path / "many/.spo-trace-0.tmp", {"page_owner": page()})
    names = [source.options["from"] for source in choose_series(None, [one, str(tmp_path / "many")])]
    assert names == [one, str(tmp_path / "many/a"), str(tmp_path / "many/b")]
    assert len(list(choose_series(None, [str(CARRIED / "7.2-spo")]))) == 4


def test_the_stages_of_a_scenario() -> None:
    stages = [source.options["stage"] for source in choose_series("simulator", ["quick"])]
    assert stages == ["0-start", "1-leak", "2-swapped", "3-back"]


def test_paths_that_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="standard input is only one capture"):
        choose_series(None, ["-"])
    with pytest.raises(UsageError, match="the live backend reads this machine"):
        choose_series("live", ["x"])
    with pytest.raises(UsageError, match="the simulator runs one scenario"):
        list(choose_series("simulator", ["quick", "leak"]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SpoTraceError, match="is not a capture and contains none"):
        choose_series(None, [str(tmp_path)])


def test_pace() -> None:
    # GIVEN a clock, and a reader that takes 1 s, 12 s, 1 s per source
    clock = [0.0]
    with (
        patch.object(time, "monotonic", lambda: clock[0]),
        patch.object(time, "sleep", lambda s: clock.__setitem__(0, clock[0] + s)),
    ):
        times = []
        for takes, _ in zip([1, 12, 1, 1], paced([FakeSource({})] * 9, 5, 4), strict=True):
            times.append(clock[0])
            clock[0] += takes
    # THEN a sample starts every 5 s, and missed samples are skipped
    assert times == [0, 5, 17, 22]
