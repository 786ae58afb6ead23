# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which source the options choose."""

from pathlib import Path

import pytest

from spo_trace.errors import EXIT_USAGE, UsageError
from spo_trace.sources.choose import choose_source
from spo_trace.sources.live import LiveSource
from tests.support import capture, page


def test_the_default_is_a_capture_with_paths_and_else_this_machine(tmp_path: Path) -> None:
    path = str(capture(tmp_path, {"page_owner": page()}))
    assert choose_source(None, [path]).kind == "capture"
    assert choose_source("capture", [path]).kind == "capture"
    assert choose_source(None, []).kind == "live"
    assert choose_source("live", []).kind == "live"


@pytest.mark.parametrize(
    ("backend", "paths", "stage", "message"),
    [
        ("nosuch", ["x"], None, "there is no backend 'nosuch'"),
        ("live", ["x"], None, "the live backend reads this machine, not from_"),
        ("capture", [], None, "the capture backend needs from_"),
        ("simulator", [], None, "the simulator backend needs from_"),
        (None, ["x"], "2-swapped", "only the simulator has stages"),
        (None, [], "2-swapped", "only the simulator has stages"),
    ],
)
def test_contradicting_options(backend: str | None, paths: list[str], stage: str | None, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose_source(backend, paths, stage)
    assert caught.value.message == message
    assert caught.value.exit_code == EXIT_USAGE
    assert caught.value.hint


def test_memory_is_that_of_this_machine() -> None:
    with pytest.raises(UsageError, match=r"method='memory' reads this machine's memory"):
        choose_source(None, ["x"], method="memory")
    with pytest.raises(UsageError, match="there is no method 'full'"):
        choose_source(None, [], method="full")
    source = choose_source(None, [], method="memory")
    assert isinstance(source, LiveSource)
    assert source.request.method == "memory"
