# SPDX-License-Identifier: LGPL-2.1-or-later
"""The trace command without a kernel: its output and its errors."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest

from spo_trace.probes import attach, loader_process, server, session
from spo_trace.probes.capacity import Capacity
from spo_trace.probes.probes import Event
from tests.support import in_process
from tests.unit.probes.fake_maps import FakeMaps

PROGRAM = Path(__file__).parents[2] / "bpf/swap_owner.c"


@pytest.fixture
def maps(monkeypatch: pytest.MonkeyPatch) -> FakeMaps:
    """Attach to no kernel: return maps in which, after the attach, dd swaps out 46 pages, and a hostile name 23."""
    hostile = b"x\x1b[1m\n"
    early = [Event(0, 1, 5, b"early", 1000)]
    late = [*early, Event(0, 1, 5, b"dd", 46), Event(1, 1, 5, b"dd", 5), Event(0, 0, 5, hostile, 23)]
    found = FakeMaps(stacks={5: (0x1001,)})
    reads = chain([early], repeat(late))
    monkeypatch.setattr(found, "events", lambda: next(reads))
    found.counted |= {"out_pages": 69, "entries_full": 2}
    found.facts |= {
        "hooks": {"out": "swap_writeout"},
        "fentry": True,
        "loader": "libbpf 1.1",
        "checked_pages": 20,
        "used_at_attach": 3,
    }

    @contextmanager
    def attached(*_: Any, **__: Any) -> Iterator[tuple[FakeMaps, Any]]:
        reader, writer = os.pipe()
        try:
            yield found, reader
        finally:
            os.close(reader)
            os.close(writer)

    monkeypatch.setattr(session, "attached", attached)
    return found


def test_events_by_name(maps: FakeMaps, tmp_path: Path) -> None:
    result = in_process("trace", "0.1", "2", cwd=tmp_path)
    assert result.returncode == 0
    head, *lines = result.stdout.decode().splitlines()
    assert head == "time      comm                  out/s       in/s    freed/s"
    # The rate per second depends on the length of the interval.
    patterns = [r"dd +\d+ +\d+ +0", r"x\\033\[1m\\n \? +\d+ +0 +0", "-"]
    for pattern, line in zip(patterns, lines, strict=True):
        assert re.fullmatch(rf"\d\d:\d\d:\d\d  {pattern}", line)
        assert len(line) < 80
    assert result.stderr.decode().splitlines() == [
        "Loading the probes; if bcc compiles them, this takes half a minute …",
        "Attached to swap_writeout (fentry, loaded by libbpf 1.1)",
        "Checked: the owners of 20 pages read from kernel memory match page_owner",
        "Swapped out before the probes were attached, owners unknown: 12.00 KiB",
        "Tracking the owners of swap. To read them: sudo spo-trace snapshot --swap bpf. Ctrl-C stops.",
        "Detached. Counted:",
        "            69 pages written to swap",
        "             2 owners lost: the map of swap entries was full",
    ]


def test_top_shows_the_busiest(maps: FakeMaps, tmp_path: Path) -> None:
    result = in_process("trace", "0.1", "1", "--top", "1", cwd=tmp_path)
    assert result.stdout.count(b"\n") == 2
    assert "… 1 more row: --top 0 shows all".encode() in result.stderr


def test_a_note_explains_names_without_page_owner(maps: FakeMaps, tmp_path: Path) -> None:
    maps.facts["owners"] = False
    result = in_process("trace", "0.1", "1", cwd=tmp_path)
    assert b"warning: page_owner is off: only events are counted" in result.stderr


def test_ebpf_prints_the_program(tmp_path: Path) -> None:
    result = in_process("trace", "--ebpf", cwd=tmp_path)
    assert result.stdout.decode() == PROGRAM.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["1", "--by", "pid"], "can't count events by 'pid'\n  hint: choose comm or stack"),
        (["--by", "stack"], "--by and --top need INTERVAL\n  hint: for example: spo-trace trace 1 --by stack"),
        (["--top", "3"], "--by and --top need INTERVAL"),
        (["--loader", "bpftrace"], "there is no loader 'bpftrace'\n  hint: choose one of auto, libbpf, bcc"),
        (["0"], "invalid value for 'INTERVAL': "),
        (["1", "0"], "invalid value for 'COUNT': "),
        (["--max-entries", "0"], "invalid value for '--max-entries': "),
    ],
)
def test_wrong_arguments(tmp_path: Path, arguments: list[str], said: str) -> None:
    result = in_process("trace", *arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert said in result.stderr.decode()


def test_it_needs_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    result = in_process("trace", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (1, b"")
    assert b"error: only root may attach probes to the kernel\n  hint: run it with sudo" in result.stderr


def test_a_warning_if_swap_is_larger_than_the_map(
    maps: FakeMaps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "map_capacity", lambda _: Capacity(10, 20, 1000))
    result = in_process("trace", "0.1", "1", cwd=tmp_path)
    assert b"warning: can track 10 of 1,000 pages of swap; pages beyond that are counted as lost" in result.stderr


def test_nothing_large_is_loaded(tmp_path: Path) -> None:
    # WHEN a trace without INTERVAL is started, up to a wrong option, which it checks last
    line = [sys.executable, "-X", "importtime", "-m", "spo_trace", "trace", "--loader", "none"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True)
    # THEN neither typer nor what else takes memory for as long as it runs
    loaded = {text.rpartition("|")[2].strip().split(".")[0] for text in done.stderr.splitlines() if "|" in text}
    assert "there is no loader 'none'" in done.stderr
    assert "spo_trace" in loaded
    assert not loaded & {"typer", "click", "rich", "numpy", "pyarrow", "pandas", "inspect", "dataclasses", "ssl"}


# Each takes an emulated machine a tenth of a second, and a start may take two.
SLOW = {"logging", "subprocess", "shutil", "dataclasses", "inspect", "platform", "datetime", "argparse"}


def test_a_start_with_libbpf_loads_no_slow_module(tmp_path: Path) -> None:
    program = (
        "import sys, spo_trace.cli.trace, spo_trace.probes.session, spo_trace.probes.loader.load; print(*sys.modules)"
    )
    # Without site, which may load anything, and with the package.
    line = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({str(PROGRAM.parents[1])!r}); {program}"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr == ""
    assert not {name.split(".")[0] for name in done.stdout.split()} & SLOW


def test_a_trace_that_cannot_start_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    monkeypatch.setattr(session, "only_one", lambda: server.only_one(run))
    monkeypatch.setattr(loader_process, "RUN", run)
    monkeypatch.setattr(loader_process, "_NEEDS_BCC", "import sys; sys.exit(77)\n")
    monkeypatch.setattr(loader_process, "LIBBPF", "libnone.so.1")
    monkeypatch.setattr(attach, "check_kernel", lambda _: None)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    result = in_process("trace", cwd=tmp_path)
    assert result.returncode == 1
    assert b"; no bcc for Python 3.10 or later in" in result.stderr
    assert b"; or install bcc for the system's own Python: apt install python3-bpfcc" in result.stderr
    assert [path.name for path in run.iterdir()] == ["lock"]
