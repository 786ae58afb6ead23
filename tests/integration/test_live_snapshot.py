# SPDX-License-Identifier: LGPL-2.1-or-later
"""Snapshots of this machine through the collector, with a debugfs of copied files in a mount namespace."""

import glob
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

import pytest

import spo_trace as spo
from spo_trace.native import collector
from tests.support import AS_A_TERMINAL, EXECUTABLE, Files, capture, entry, page, said_on_terminal

DEBUGFS = Path("/sys/kernel/debug")
STACKS = b" a+0x1/0x2\nnr_base_pages: 3\n\n"
FILES: Files = {
    "page_owner": b"".join(page(pfn, ts=pfn * 7919) for pfn in range(1, 3000)),
    "swap_page_owner": b"".join(entry(number, ts=number) for number in range(1, 30)),
    "page_owner_stacks/show_stacks": STACKS,
}
# As `spo-trace snapshot`, but in a process that cannot be replaced.
PROGRAM = "import sys, spo_trace; spo_trace.snapshot(sys.argv[1])"
BLOCK_SIZE = Path("/sys/devices/system/memory/block_size_bytes")

COMMANDS = {"command": [str(EXECUTABLE), "snapshot", "-o"], "API": [sys.executable, "-c", PROGRAM]}

TRY = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", str(DEBUGFS)]


def why_not() -> str | None:
    """Return why these tests cannot be run here, None if they can."""
    if collector.program() is None:
        return "the collector is not compiled"
    if not DEBUGFS.is_dir():
        return f"there is no {DEBUGFS}"
    if which("unshare") is None or subprocess.run(TRY, capture_output=True, check=False).returncode != 0:
        return "no mount namespace can be made"
    return None


@pytest.fixture(scope="module", autouse=True)
def possible() -> None:
    """Skip all tests if they cannot be run here."""
    if why := why_not():
        pytest.skip(why)


def in_namespace(debugfs: Path, *command: str, before: str = "true") -> list[str]:
    """Return a command line that runs a command where the directory `debugfs` is this machine's debugfs."""
    script = f'mount --bind "$0" {DEBUGFS} && {before} && exec "$@"'
    return [*AS_A_TERMINAL, "unshare", "-rm", "sh", "-c", script, str(debugfs), *command]


@contextmanager
def reading(tmp_path: Path, command: list[str], *before: str) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """Start a snapshot whose collector waits for page_owner_stacks; yield its process, and the ID of the collector."""
    debugfs = capture(tmp_path / "debugfs", FILES)
    (debugfs / "page_owner_stacks/show_stacks").unlink()
    os.mkfifo(debugfs / "page_owner_stacks/show_stacks")
    (tmp_path / "out").mkdir()
    line = in_namespace(debugfs, *command, "out/x.spo")
    with subprocess.Popen(line, cwd=tmp_path, stderr=subprocess.PIPE) as process:
        try:
            found = "out/.spo-trace-*/.spo-trace-*/.spo-trace-*/show_stacks.gz"
            while not glob.glob(found, root_dir=tmp_path):  # noqa: PTH207  # Path.glob fails if a directory is removed
                assert process.poll() is None
                time.sleep(0.01)
            yield process, collector_of(process.pid)
        finally:
            process.kill()


def collector_of(pid: int) -> int:
    """Return the process that collects, a child of process `pid`."""
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert Path(f"/proc/{child}/comm").read_text() == "spo-collect\n"
    return int(child)


@pytest.mark.parametrize("how", COMMANDS)
def test_a_snapshot_has_what_the_files_have(tmp_path: Path, how: str) -> None:
    debugfs = capture(tmp_path / "debugfs", FILES)
    done = subprocess.run(
        in_namespace(debugfs, *COMMANDS[how], "x.spo"), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    snap = spo.open(tmp_path / "x.spo")
    # The size of this machine's memory blocks, which is not in debugfs, is a fact of both.
    if BLOCK_SIZE.exists():
        (debugfs / BLOCK_SIZE.name).write_bytes(BLOCK_SIZE.read_bytes())
    other = spo.snapshot(tmp_path / "y.spo", from_=debugfs)
    for table in ("pages", "swap", "stacks"):
        ours, theirs = (getattr(each, table).drop(columns="handle", errors="ignore") for each in (snap, other))
        assert ours.equals(theirs)
    assert snap.stacks["handle"].isna().all()
    assert (snap.meta.source.kind, snap.meta.method, snap.meta.warnings) == ("live", "text", [])
    assert snap.meta.cost is not None
    assert snap.meta.machine.kernel_release == os.uname().release
    # AND nothing of the collector is left
    assert {path.name for path in tmp_path.iterdir()} - {".cache"} == {"debugfs", "x.spo", "y.spo"}
    # (not every machine has cgroups, and not every user may read slabinfo)
    assert {path.name for path in (tmp_path / "x.spo").iterdir()} - {"cgroups.parquet", "slab_caches.parquet"} == {
        *("snapshot.json", "pages.parquet", "swap.parquet", "stacks.parquet", "processes.parquet")
    }


def test_nothing_large_is_loaded_before_the_machine_is_read(tmp_path: Path) -> None:
    debugfs = capture(tmp_path / "debugfs", FILES)
    line = in_namespace(debugfs, "env", "PYTHONPROFILEIMPORTTIME=1", *COMMANDS["command"], "x.spo")
    said = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=True).stderr
    # Python ran twice, and the collector between.
    _, first, second = said.split("imported package\n")
    loaded = {text.rpartition("|")[2].strip().split(".")[0] for text in first.splitlines() if "|" in text}
    assert "spo_trace" in loaded
    assert not loaded & {"typer", "click", "rich", "numpy", "pyarrow", "pandas", "inspect", "dataclasses", "ssl"}
    assert {"numpy", "pyarrow"} <= {text.rpartition("|")[2].strip() for text in second.splitlines() if "|" in text}
    assert not re.search(r"\| +(typer|pandas)$", second, re.MULTILINE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("to", ["one", "all"])
def test_an_interrupt_ends_all_and_leaves_nothing(tmp_path: Path, number: int, to: str) -> None:
    with reading(tmp_path, COMMANDS["command"]) as (process, collecting):
        # WHEN the command, or everything in its terminal, gets a signal while the collector reads
        for pid in [process.pid] if to == "one" else [collecting, process.pid]:
            os.kill(pid, number)
        assert process.wait(60) == 128 + number
        said = process.stderr.read() if process.stderr else b""
    # THEN there is a message, and neither a process nor a file is left
    assert said == (b"spo-trace: error: interrupted; no files were left behind\n" if number == signal.SIGINT else b"")
    assert not Path(f"/proc/{collecting}").exists()
    assert list((tmp_path / "out").iterdir()) == []


def test_an_interrupted_program_leaves_nothing(tmp_path: Path) -> None:
    with reading(tmp_path, COMMANDS["API"]) as (process, collecting):
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert not Path(f"/proc/{collecting}").exists()
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("how", COMMANDS)
def test_a_collector_that_is_killed_is_one_error(tmp_path: Path, how: str) -> None:
    with reading(tmp_path, COMMANDS[how]) as (process, collecting):
        os.kill(collecting, signal.SIGKILL)
        assert process.wait(60) == 1
        said = process.stderr.read().decode() if process.stderr else ""
    assert "this machine could not be read: the collector was ended by SIGKILL\n" in said
    assert how == "API" or said.count("error") == 1
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("how", COMMANDS)
def test_a_full_disk_is_one_error(tmp_path: Path, how: str) -> None:
    debugfs = capture(tmp_path / "debugfs", FILES)
    (tmp_path / "small").mkdir()
    small = f"mount -t tmpfs -o size=64k none {tmp_path / 'small'}"
    after = ["sh", "-c", '"$@"; echo $?; ls -A small', "-", *COMMANDS[how], "small/x.spo"]
    done = subprocess.run(
        in_namespace(debugfs, *after, before=small), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout == "1\n"
    assert "this machine could not be read: the capture cannot be written: No space left on device\n" in (
        done.stderr.replace("zoneinfo cannot be written", "the capture cannot be written")
    )
    assert how == "API" or done.stderr.count("error") == 1


def test_progress_is_drawn_on_a_terminal(tmp_path: Path) -> None:
    debugfs = capture(tmp_path / "debugfs", FILES)
    ours, theirs = pty.openpty()
    line = in_namespace(debugfs, *COMMANDS["command"], "x.spo")
    with subprocess.Popen(line, cwd=tmp_path, stderr=theirs, stdout=subprocess.DEVNULL) as process:
        said = said_on_terminal(process, ours, theirs)
    # The collector draws first, and what parses its text afterwards.
    before, _, after = said.partition(b"reading show_stacks:")
    assert b"\r\x1b[Kreading page_owner:   0%" in before
    assert re.search(rb"reading \w+: +\d+% [\d,]+ records", after)
    assert said.rpartition(b"\r\x1b[K")[2].startswith(b"Wrote x.spo")


@pytest.mark.parametrize("how", COMMANDS)
def test_the_target_is_checked_before_the_machine_is_read(tmp_path: Path, how: str) -> None:
    # GIVEN a target that exists, and a machine whose reading would not end
    debugfs = capture(tmp_path / "debugfs", {"page_owner": b""})
    os.mkfifo(debugfs / "swap_page_owner")
    (tmp_path / "x.spo").write_text("mine")
    line = in_namespace(debugfs, *COMMANDS[how], "x.spo")
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "x.spo exists and is not a snapshot" in done.stderr
