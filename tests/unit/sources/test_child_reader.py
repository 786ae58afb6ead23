# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files whose reading may never end: a named pipe without a writer, and a reader that is stuck."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from spo_trace.analysis.verdicts import verdicts
from spo_trace.collect.snapshot import collect
from spo_trace.formats.missing import Missing
from spo_trace.sources import child_reader
from spo_trace.sources.child_reader import Blocked, ChildFailed, abandoned, read_in_child
from tests.collectors import this_machine
from tests.support import EXECUTABLE, capture, page

SHORT = 0.2
LONG = 60.0
STACKS = "sys/kernel/debug/page_owner_stacks/"


@pytest.fixture(autouse=True)
def no_child_is_left() -> Iterator[None]:
    """Kill the children that a test abandoned."""
    yield
    for child in child_reader._abandoned:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGCONT)
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    child_reader._abandoned.clear()


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """Return a named pipe without a writer: its reader waits forever."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


@pytest.fixture
def stuck_cat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a `cat` that stops at once and a kill() without effect, as if it were stuck in the kernel."""
    program = tmp_path / "bin/cat"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nkill -STOP $$\n")
    program.chmod(0o755)
    monkeypatch.setattr(child_reader, "_DIRECTORIES", str(program.parent))
    monkeypatch.setattr(subprocess.Popen, "kill", lambda child: None)


@pytest.mark.parametrize("size", [0, 1, 1 << 20])
def test_a_file_is_read_whole(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "-n x").write_bytes(content)
    assert read_in_child(tmp_path / "-n x", LONG) == content
    assert not abandoned()


def test_a_failure_has_its_code_in_any_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("LANGUAGE", "de")
    with pytest.raises(ChildFailed) as caught:
        read_in_child(tmp_path / "nothing", LONG)
    assert caught.value.why.code is Missing.NO_FILE


def test_a_failure_without_a_known_message_is_a_read_error(tmp_path: Path) -> None:
    with pytest.raises(ChildFailed) as caught:
        read_in_child(tmp_path, LONG)
    assert caught.value.why.code is Missing.READ_ERROR


def test_a_read_that_never_ends_is_abandoned(fifo: Path) -> None:
    with pytest.raises(Blocked) as caught:
        read_in_child(fifo, SHORT)
    assert caught.value.why.code is Missing.BLOCKED


def test_partial_content_is_not_used(fifo: Path) -> None:
    # GIVEN a file that gives some data, then blocks
    writer = os.open(fifo, os.O_RDWR)
    os.write(writer, b"beginning\n")
    with pytest.raises(Blocked):
        read_in_child(fifo, SHORT)
    os.close(writer)


def test_data_restarts_the_timeout(fifo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a slow writer
    waits: list[float] = []

    class Poll:
        def __init__(self) -> None:
            self._poll = select.poll()
            self.register, self.unregister = self._poll.register, self._poll.unregister

        def poll(self, milliseconds: float) -> list[tuple[int, int]]:
            waits.append(milliseconds)
            return self._poll.poll(milliseconds)

    monkeypatch.setattr(child_reader, "select", SimpleNamespace(poll=Poll, POLLIN=select.POLLIN))
    script = f"exec > {fifo}; for i in 1 2 3; do echo $i; sleep 0.05; done"
    with subprocess.Popen(["sh", "-c", script]):
        assert read_in_child(fifo, LONG) == b"1\n2\n3\n"
    # THEN the timeout applies to each wait
    assert set(waits) == {1000 * LONG}
    assert len(waits) > 1


def test_a_child_that_cannot_be_killed_is_not_waited_for(stuck_cat: None, tmp_path: Path) -> None:
    with pytest.raises(Blocked):
        read_in_child(tmp_path, SHORT)
    # THEN it still runs, in its own session, without a descriptor of this process
    assert abandoned()
    (child,) = child_reader._abandoned
    assert os.getsid(child.pid) == child.pid != os.getsid(0)
    descriptors = {str(Path(f"/proc/{child.pid}/fd/{n}").readlink()) for n in (0, 1, 2)}
    ours = {str(Path(f"/proc/self/fd/{n}").readlink()) for n in (1, 2)}
    assert "/dev/null" in descriptors
    assert not descriptors & (ours - {"/dev/null"})


def machine_with_fifo(root: Path) -> Path:
    """Return a machine on which reading page_owner_stacks never ends."""
    capture(root, {"sys/kernel/debug/page_owner": page(), STACKS + "other": b""})
    for name in ("show_stacks", "show_stacks_handles"):
        os.mkfifo(root / STACKS / name)
    return root


def test_the_snapshot_is_committed_without_stacks(tmp_path: Path) -> None:
    root = machine_with_fifo(tmp_path / "root")
    snap = collect(this_machine(root, stacks_timeout=SHORT), tmp_path / "x.spo")
    assert snap.count("pages") == 1
    assert snap.meta.missing["show_stacks"].code == "blocked"
    blocked = [text for text in snap.meta.warnings if text.startswith("page_owner_stacks is left out: ")]
    assert len(blocked) == 1
    # AND verify reports that stacks were not checked, and why
    (verdict,) = verdicts(snap, parts=["stacks"]).to_dict("records")
    assert (verdict["verdict"], verdict["reason"]) == ("not checked", "stacks-blocked")
    assert snap.meta.missing["show_stacks"].text in verdict["text"]


def test_no_second_child_is_started_while_one_is_stuck(
    stuck_cat: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a reader that is stuck
    source = this_machine(machine_with_fifo(tmp_path / "root"), stacks_timeout=SHORT)
    assert source.open("show_stacks_handles") is None
    # WHEN other files, or the next samples, are read
    started: list[object] = []
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: started.append(1))
    later = this_machine(tmp_path / "root", stacks_timeout=SHORT)
    assert (source.open("show_stacks"), later.open("show_stacks")) == (None, None)
    # THEN no child is started, and the files are missing for that reason
    assert started == []
    assert later.why_missing("show_stacks").code is Missing.BLOCKED


PROGRAM = """
import os, subprocess, sys
from pathlib import Path
from types import SimpleNamespace
from spo_trace.sources import child_reader
child_reader._DIRECTORIES = sys.argv[1]
subprocess.Popen.kill = lambda child: None
try:
    child_reader.read_in_child(Path("/"), 0.2)
except child_reader.Blocked:
    print(child_reader._abandoned[0].pid, flush=True)
"""


def test_exit_does_not_wait_for_a_stuck_child(stuck_cat: None, tmp_path: Path) -> None:
    # GIVEN a process with an abandoned child, whose output is a pipe, as in `spo-trace snapshot | cat`
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "bin")]
    # WHEN it exits, THEN its output ends although the child still runs
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True, timeout=LONG)
    pid = int(done.stdout)
    assert Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] == "T"
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_the_timeout_is_a_positive_number(seconds: str, tmp_path: Path) -> None:
    command = [str(EXECUTABLE), "snapshot", "--stacks-timeout", seconds, "-o", "x.spo"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 2
