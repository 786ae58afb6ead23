# SPDX-License-Identifier: LGPL-2.1-or-later
"""The relay of a command line and the collector; tests/integration/test_live_snapshot.py runs it."""

import json
import os
import sys
from pathlib import Path

import pytest

from spo_trace.collect.relay import may_hand_over, resumed
from spo_trace.errors import SpoTraceError
from spo_trace.files.descriptors import names
from spo_trace.files.handover import Handover
from spo_trace.snapshots.directory import snapshot_directory

STATE = {"target": "x.spo", "handover": [3, 4, "a", "b"], "began": 1.5, "cpu": 0.5, "messages": 5, "comm": "pytest"}


def test_only_a_command_line_may_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["spo-trace", "snapshot", "-o", "x.spo"])
    assert not may_hand_over()
    monkeypatch.setattr(sys, "orig_argv", [sys.executable, "/bin/spo-trace", "snapshot", "-o", "x.spo"])
    monkeypatch.setattr("threading.active_count", lambda: 1)
    assert may_hand_over()
    monkeypatch.setattr("threading.active_count", lambda: 2)
    assert not may_hand_over()


def test_what_was_handed_over_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPO_TRACE_BEGUN", json.dumps(STATE))
    monkeypatch.setenv("SPO_COLLECT_STATUS", "256")
    found = resumed()
    assert found is not None
    assert (found.target, found.status, found.handover.temporary) == (Path("x.spo"), 256, "a")
    assert "SPO_TRACE_BEGUN" not in os.environ
    assert resumed() is None


@pytest.mark.parametrize("begun", ["", "x", "[]", "{}", json.dumps({**STATE, "handover": [1]})])
def test_anything_else_in_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch, begun: str) -> None:
    monkeypatch.setenv("SPO_TRACE_BEGUN", begun)
    monkeypatch.setenv("SPO_COLLECT_STATUS", "0")
    assert resumed() is None


@pytest.mark.parametrize("commit", [True, False])
def test_an_output_directory_that_was_handed_over_is_completed_or_removed(tmp_path: Path, commit: bool) -> None:
    # GIVEN the directories of another program in this process
    made = tmp_path / ".spo-trace-a.tmp"
    made.mkdir(mode=0o700)
    (made / ".spo-trace-b.tmp").mkdir(mode=0o700)
    parent, directory = (os.open(path, os.O_RDONLY) for path in (tmp_path, made))
    handover = Handover(parent, directory, made.name, ".spo-trace-b.tmp")
    (made / handover.workspace / "x").mkdir()
    (made / handover.workspace / "x" / "page_owner.gz").touch()
    # WHEN they are taken over
    with snapshot_directory(tmp_path / "x.spo", handover=handover) as output:
        with output.workspace() as workspace:
            assert names(workspace) == ["x"]
        if commit:
            output.commit()
    # THEN the output is complete or removed, and nothing else is left
    assert [path.name for path in tmp_path.rglob("*")] == (["x.spo"] if commit else [])


@pytest.mark.parametrize(
    ("mode", "temporary", "workspace"),
    [
        (0o755, ".spo-trace-a.tmp", ".spo-trace-b.tmp"),
        (0o700, "etc", ".spo-trace-b.tmp"),
        (0o700, ".spo-trace-a.tmp", "mine"),
        (0o700, ".spo-trace-a.tmp", ".spo-trace-/../../mine/.tmp"),
        (None, ".spo-trace-a.tmp", ".spo-trace-b.tmp"),
    ],
)
def test_only_what_this_program_can_have_made_is_taken_over(
    tmp_path: Path, mode: int | None, temporary: str, workspace: str
) -> None:
    (tmp_path / "x").mkdir(mode=0o700)
    (tmp_path / "x" / "mine").mkdir()
    (tmp_path / "x").chmod(mode or 0o700)
    fd = os.open(tmp_path / "x" if mode else "/dev/null", os.O_RDONLY)
    with pytest.raises(SpoTraceError):
        snapshot_directory(tmp_path / "x.spo", handover=Handover(fd, fd, temporary, workspace))
    os.close(fd)
    assert (tmp_path / "x" / "mine").is_dir()


def test_an_output_directory_is_removed_with_all_in_it(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), snapshot_directory(tmp_path / "x.spo") as output:
        assert output._fd is not None
        os.mkdir(output._workspace, dir_fd=output._fd)
        (next(tmp_path.iterdir()) / output._workspace / "left").write_text("by a collector that was killed")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
