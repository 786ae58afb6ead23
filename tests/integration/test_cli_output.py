# SPDX-License-Identifier: LGPL-2.1-or-later
"""Standard output is written completely, or there is an error: full disks, non-blocking pipes, raw streams."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import EXECUTABLE, MACHINE, entry, in_process, meminfo, page, snapshot_of, swaps

FILES = {
    **MACHINE,
    "swap_page_owner": entry(0x1F),
    "meminfo": meminfo(swap_total=100, swap_free=99),
    "swaps": swaps(sda=1),
}
FORMATS = ("folded", "speedscope", "pprof", "html", "csv", "json", "parquet")
COMMANDS = [
    *(f"export day/a.spo -f {name}" for name in FORMATS),
    *(f"report day/a.spo -f {name}" for name in ("table", "csv", "json", "markdown")),
    *("export day/a.spo -f pprof -o /dev/stdout", "report day/a.spo -f csv -o /dev/stdout"),
    *("diff day/a.spo day/b.spo -f csv", "trend day --by comm", "verify day/a.spo", "capture-script", "--help"),
]
# Those whose output is more than the smallest limit on the size of a file.
LONG = ["export day/a.spo -f html", "export day/a.spo -f parquet", "report day/a.spo --by pid"]

# Tells when the program waits for its reader.
HOOK = """
import os, select

class Poll:
    def __init__(self, poll=select.poll):
        self.inner = poll()
        self.register = self.inner.register

    def poll(self, *arguments):
        os.write(int(os.environ["SPO_TEST_WAITS"]), b".")
        return self.inner.poll(*arguments)

select.poll = Poll
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with three snapshots of one boot."""
    directory = tmp_path_factory.mktemp("output")
    (directory / "day").mkdir()
    (directory / "hook").mkdir()
    (directory / "hook" / "sitecustomize.py").write_text(HOOK)
    for number, name in enumerate("abc"):
        pages = b"".join(page(pfn, comm=b"%d" % (pfn % 50), pid=pfn) for pfn in range(1, 300 + 40 * number))
        more = {"page_owner": pages, "uptime": b"%d.00 1.00\n" % (100 + 60 * number)}
        snapshot_of(directory, FILES | more, name=name).path.rename(directory / "day" / f"{name}.spo")
        shutil.rmtree(directory / f"{name}.files")
    return directory


def environment(place: Path, unbuffered: str) -> dict[str, str]:
    return os.environ | {"PYTHONUNBUFFERED": unbuffered, "XDG_CACHE_HOME": str(place / ".cache")}


@pytest.mark.parametrize(
    ("command", "unbuffered"), [*((one, "1") for one in COMMANDS), ("report day/a.spo -f csv", "")]
)
def test_a_non_blocking_pipe_gets_all_of_the_output(place: Path, command: str, unbuffered: str) -> None:
    # GIVEN a non-blocking pipe that is full
    reader, writer = os.pipe()
    waits, waiting = os.pipe()
    size = fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, False)
    os.write(writer, bytes(size))
    # WHEN the command writes, and the reader reads only when the command waits
    process = subprocess.Popen(
        [EXECUTABLE, *command.split()],
        cwd=place,
        env=environment(place, unbuffered) | {"PYTHONPATH": str(place / "hook"), "SPO_TEST_WAITS": str(waiting)},
        stdout=writer,
        stderr=subprocess.PIPE,
        pass_fds=(waiting,),
    )
    os.close(writer)
    os.close(waiting)
    waited = os.read(waits, 1)
    with os.fdopen(reader, "rb") as pipe:
        received = pipe.read()[size:]
    os.close(waits)
    said = process.communicate(timeout=60)[1]
    # THEN it gets all of the output
    whole = in_process(*command.removesuffix(" -o /dev/stdout").split(), cwd=place)
    assert (process.returncode, waited) == (whole.returncode, b"."), said
    assert received == whole.stdout


# Python passes short writes on to the caller if standard output has no buffer.
@pytest.mark.parametrize("command", LONG)
def test_a_disk_that_gets_full_is_an_error(place: Path, command: str) -> None:
    # GIVEN a limit on the size of files, which is less than the output: write(2) takes a part
    whole = in_process(*command.split(), cwd=place).stdout
    target = place / "short"
    run = subprocess.run(
        ["sh", "-c", f'ulimit -f 1; trap "" XFSZ; exec "$@" > {target}', "sh", str(EXECUTABLE), *command.split()],
        cwd=place,
        env=environment(place, "1") | {"XDG_CACHE_HOME": "/nonexistent"},
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    assert len(whole) > 1024
    # THEN the command fails
    assert run.returncode == 1
    assert b"spo-trace: error: File too large" in run.stderr
    assert whole.startswith(target.read_bytes())


def test_a_reader_that_exits_ends_the_command(place: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.set_blocking(writer, False)
    command = [str(EXECUTABLE), "export", "day/a.spo", "-f", "json"]
    env = environment(place, "1")
    run = subprocess.run(command, cwd=place, env=env, stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writer)
    assert (run.returncode, run.stderr) == (1, b"")
