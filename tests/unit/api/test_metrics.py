# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo.metrics: its arguments; the text is that of the command line (tests/integration/test_cli_metrics.py)."""

from pathlib import Path
from typing import Any

import pytest

import spo_trace as spo
from spo_trace.limits import MAX_SERIES
from tests.support import MACHINE, page, snapshot_of


def test_a_snapshot_a_path_and_a_capture_have_the_same_metrics(tmp_path: Path) -> None:
    snap = snapshot_of(tmp_path, {**MACHINE, "page_owner": page()})
    assert spo.metrics(snap) == spo.metrics(snap.path) == spo.metrics(tmp_path / "x.files", top=MAX_SERIES)


@pytest.mark.parametrize("top", [0, -1, MAX_SERIES + 1, True, "5", None, 1.5])
def test_the_number_of_series_is_bounded(top: Any) -> None:
    with pytest.raises(spo.UsageError, match="top must be"):
        spo.metrics("nothing", top=top)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"method": "counts"}, "no method 'counts'"), ({"jobs": 0}, "jobs"), ({"stacks_timeout": -1}, "stacks_timeout")],
)
def test_mistakes_are_found_before_this_machine_is_read(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(spo.UsageError, match=message):
        spo.metrics(**arguments)
