# SPDX-License-Identifier: LGPL-2.1-or-later
"""Closed pipes, Ctrl-C during the work, and terminals."""

import os
import pty
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.support import MACHINE, capture, pack, page, running, said_on_terminal, snapshot_of

ANYTHING = [["export", "x.spo", "-f", "csv"], ["export", "x.spo", "-f", "json"], ["export", "x.spo", "-f", "parquet"]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a snapshot whose export fills any pipe."""
    directory = tmp_path_factory.mktemp("place")
    text = b"".join(page(pfn, ts=pfn * 7919**3, comm=b"%x" % (pfn * 2654435761)) for pfn in range(20_000))
    snapshot_of(directory, {**MACHINE, "page_owner": text})
    return directory


@pytest.mark.parametrize("arguments", [*ANYTHING, ["report", "x.spo", "--top", "0"]], ids=" ".join)
def test_a_reader_that_exits_early(place: Path, arguments: list[str]) -> None:
    with running(*arguments, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert len(process.stdout.read(4)) == 4
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(60) == 1
    # A note printed before the closed pipe was noticed may be there, and no other text.
    assert said.replace(b"\n", b"")[:5] in (b"", b"Total")


@pytest.mark.parametrize(
    ("command", "suffix", "number"),
    [
        ("snapshot --from pipe -o x.spo", "", signal.SIGINT),
        ("snapshot --from - -o x.spo", "", signal.SIGINT),
        ("report pipe", "", signal.SIGINT),
        ("snapshot --from - -o x.spo", "gz", signal.SIGINT),
        ("report pipe", "zst", signal.SIGINT),
        ("report pipe", "", signal.SIGTERM),
        ("snapshot --from - -o x.spo", "zst", signal.SIGTERM),
        ("snapshot --from - -o x.spo", "", signal.SIGHUP),
    ],
)
def test_a_signal_leaves_no_files(tmp_path: Path, command: str, suffix: str, number: int) -> None:
    # GIVEN a pipe with more data than is buffered, which then blocks
    text = b"".join(page(pfn, ts=pfn * 7919**3) for pfn in range(60_000))
    packed = pack(text, suffix)[:-100] if suffix else text
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    arguments = command.split()
    stdin = subprocess.PIPE if "-" in arguments else subprocess.DEVNULL
    with running(
        *arguments, cwd=tmp_path, env=environment, stdin=stdin, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        to = process.stdin if process.stdin else pipe.open("wb")
        assert to is not None
        with to:
            writer = threading.Thread(target=lambda: (to.write(packed), to.flush()), daemon=True)
            writer.start()
            writer.join(30)
            assert not writer.is_alive(), "it does not read"
            wait_until_it_waits(process.pid)
            # WHEN Ctrl-C is pressed, a time limit ends, or the terminal closes
            process.send_signal(number)
            assert process.wait(30) == 128 + number
        said = process.stderr.read() if process.stderr else b""
    # THEN there is a message, and no files are left
    assert said == (b"spo-trace: error: interrupted; no files were left behind\n" if number == signal.SIGINT else b"")
    assert sorted(path.name for path in tmp_path.iterdir()) in (["cache", "pipe"], ["pipe"])
    assert [path for path in tmp_path.rglob("cache/spo-trace/*") if path.name.startswith("scratch-")] == []


def wait_until_it_waits(pid: int) -> None:
    """Wait until a process was asleep at every check during 0.2 s."""
    asleep = 0
    while asleep < 20:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
        asleep = asleep + 1 if state == "S" else 0
        time.sleep(0.01)


@pytest.mark.parametrize("arguments", [["report", "c"], ["snapshot", "--from", "c", "-o", "c.spo"]], ids=" ".join)
def test_progress_is_drawn_and_erased_on_a_terminal(tmp_path: Path, arguments: list[str]) -> None:
    capture(tmp_path / "c", {**MACHINE, "page_owner": page()})
    ours, theirs = pty.openpty()
    with running(*arguments, cwd=tmp_path, stderr=theirs, stdout=subprocess.DEVNULL) as process:
        said = said_on_terminal(process, ours, theirs)
    assert b"reading page_owner: 100% 1 record" in said
    assert b"error" not in said
    # The line is empty when the next text is written.
    assert said.rpartition(b"\r\x1b[K")[2].startswith((b"Total: ", b"Wrote c.spo"))
