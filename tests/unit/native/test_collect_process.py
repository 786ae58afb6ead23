# SPDX-License-Identifier: LGPL-2.1-or-later
"""The process of the collector: its progress, its end, what follows it, and whose its output is."""

import os
import re
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from spo_trace.sources.source import PATHS
from tests.collectors import collect, tree
from tests.unit.native.test_collect import FILES, Command, records, taken


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_leaves_nothing(collector: Command, number: int, tmp_path: Path) -> None:
    # GIVEN a collector that waits for page_owner_stacks
    root = tree(tmp_path / "root", FILES)
    (root / PATHS["show_stacks"]).unlink()
    os.mkfifo(root / PATHS["show_stacks"])
    command = ["env", "--default-signal=INT,HUP", *collector, "-r", str(root), str(tmp_path / "made")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not list(tmp_path.glob(".spo-trace-*/show_stacks.gz")):
            time.sleep(0.01)
        # WHEN it is interrupted, THEN nothing is left
        process.send_signal(number)
        assert process.wait(timeout=60) != 0
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


def progress_of(command: Command, root: Path, target: Path, *options: str, **env: str) -> list[str]:
    """Run a collector, and return the lines of its progress."""
    start, into = os.pipe()
    line = [*command, *options, "-p", str(into), "-r", str(root), str(target)]
    with subprocess.Popen(line, pass_fds=(into,), env={**os.environ, **env}) as process, os.fdopen(start) as lines:
        os.close(into)
        said = lines.read().splitlines()
        assert process.wait(60) == 0
    return said


def test_progress_has_a_line_for_each_file(collector: Command, tmp_path: Path) -> None:
    said = progress_of(collector, tree(tmp_path / "root", FILES), tmp_path / "made")
    large = ("page_owner", "show_stacks", "kpagecgroup", "swap_page_owner")
    assert [line for line in said if line.endswith(" 0")] == [f"{name} 0" for name in large]


def test_progress_has_the_position_in_page_owner(with_kernel: Command, tmp_path: Path) -> None:
    # GIVEN a kernel that is out of memory for half a second
    root = tree(tmp_path / "root", {"page_owner": b"".join(records(1, pfn) for pfn in range(1, 4000))})
    said = progress_of(with_kernel, root, tmp_path / "made", FAKE_ENOMEM="10")
    positions = [int(line.split()[1]) for line in said if line.startswith("page_owner ")]
    assert positions == sorted(positions)
    assert 0 < positions[-1] <= 4000
    # AND the reads that were repeated are counted
    assert (tmp_path / "made/reads").read_text().splitlines()[0].split()[3] != "0"


def test_a_collector_whose_progress_nobody_reads_ends(collector: Command, tmp_path: Path) -> None:
    root = tree(tmp_path / "root", FILES)
    start, into = os.pipe()
    os.close(start)
    line = ["env", "--default-signal=PIPE", *collector, "-p", str(into), "-r", str(root), str(tmp_path / "made")]
    done = subprocess.run(line, pass_fds=(into,), capture_output=True, check=False, timeout=60)
    os.close(into)
    assert done.returncode != 0
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


AFTERWARDS = ["/bin/sh", "-c", "echo $SPO_COLLECT_STATUS $$; ls $0", "."]


def test_a_command_follows_in_the_same_process(in_c: Command, tmp_path: Path) -> None:
    root = tree(tmp_path / "root", FILES)
    for directory, status, left in (("made", 0, ["made", "root"]), ("no/where", 256, ["made", "root"])):
        with tempfile.TemporaryFile() as messages:
            line = [*in_c, "-e", str(messages.fileno()), "-x", "-r", str(root), "--", directory, *AFTERWARDS]
            with subprocess.Popen(
                line,
                cwd=tmp_path,
                pass_fds=(messages.fileno(),),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            ) as process:
                said, errors = process.communicate(timeout=60)
            # THEN it knows how the collector ended, and has its name in place of it
            assert (process.returncode, said.split(), errors) == (0, [str(status), str(process.pid), *left], "")
            messages.seek(0)
            assert messages.read().startswith(b"spo-collect: ") == bool(status)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_collector_and_is_kept_for_the_command(in_c: Command, number: int, tmp_path: Path) -> None:
    # GIVEN a collector that waits for page_owner_stacks, run by a program that has blocked the signals that end it
    root = tree(tmp_path / "root", FILES)
    (root / PATHS["show_stacks"]).unlink()
    os.mkfifo(root / PATHS["show_stacks"])
    line = [
        "env",
        "--default-signal=INT,HUP",
        "--block-signal=INT,HUP,TERM",
        *in_c,
        "-x",
        "-r",
        str(root),
        "--",
        "made",
    ]
    with subprocess.Popen(
        [*line, "/bin/cat", "/proc/self/status"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        while not list(tmp_path.glob(".spo-trace-*/show_stacks.gz")):
            time.sleep(0.01)
        # WHEN one arrives, THEN nothing is left, and the command can take it
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)
    pending = re.search(r"^SigPnd:\t(\w+)$", said, re.MULTILINE)
    assert pending is not None
    assert int(pending[1], 16) == 1 << (number - 1)
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
@pytest.mark.parametrize("may_write", [True, False])
def test_output_belongs_to_the_user_who_called_sudo(collector: Command, may_write: bool, tmp_path: Path) -> None:
    root = tree(tmp_path / "root", FILES)
    place = tmp_path / "place"
    place.mkdir()
    if may_write:
        os.chown(place, 1234, 1234)
    done = collect(collector, root, place / "made", env={"SUDO_UID": "1234", "SUDO_GID": "4321"})
    assert done.returncode == 0
    made = place / "made"
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in (made, *made.iterdir())}
    assert owners == ({(1234, 4321)} if may_write else {(os.getuid(), os.getgid())})
    assert (b"belongs to root" in done.stderr) != may_write
    assert stat.S_IMODE(made.stat().st_mode) == 0o700


@pytest.mark.parametrize("value", ["", "-1", "+5", "0", "1 ", "99999999999", "4294967295", "x"])
def test_an_owner_that_is_no_user_is_ignored(collector: Command, value: str, tmp_path: Path) -> None:
    made = taken(collector, tree(tmp_path / "root", FILES), tmp_path / "made", SUDO_UID=value, SUDO_GID="1")
    assert (made / "uname").stat().st_uid == os.geteuid()
