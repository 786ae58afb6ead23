# SPDX-License-Identifier: LGPL-2.1-or-later
"""Collect a capture in a process of its own: compiled or in Python, with progress, and one error if it fails."""

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from spo_trace.errors import SpoTraceError
from spo_trace.native import collector
from spo_trace.sources import live_capture
from spo_trace.sources.collector_process import CollectorFailed, run
from spo_trace.sources.live_capture import CAPTURE, LiveRequest, collect_capture, compiled_command
from tests.collectors import texts_of, tree
from tests.support import MACHINE, Files, entry, page

ZONEINFO = b"Node 0, zone   Normal\n  pages free     1\n        spanned  7936\n  start_pfn:           256\n"
FILES: Files = {**MACHINE, "page_owner": page(1) + page(2), "swap_page_owner": entry(1), "zoneinfo": ZONEINFO}


@pytest.fixture
def into(tmp_path: Path) -> Iterator[int]:
    """Return a private directory that is open."""
    (tmp_path / "into").mkdir(mode=0o700)
    fd = os.open(tmp_path / "into", os.O_RDONLY)
    yield fd
    os.close(fd)


def test_without_the_program_python_collects_the_same(
    tmp_path: Path, into: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = LiveRequest(2, 0.5, tree(tmp_path / "root", FILES))
    made = []
    for path in (collector.PATH, tmp_path / "missing", tmp_path / "no program"):
        (tmp_path / "no program").write_bytes(b"\x7fELF of another machine")
        (tmp_path / "no program").chmod(0o755)
        monkeypatch.setattr(live_capture, "PATH", path)
        directory = collect_capture(request, into)
        made.append(texts_of(directory))
        (tmp_path / "into" / CAPTURE).rename(tmp_path / f"made-{len(made)}")
    assert made[0] == made[1] == made[2]
    assert b"handle: 1" in made[0]["page_owner"]


def test_the_capture_is_private(tmp_path: Path, into: int) -> None:
    directory = collect_capture(LiveRequest(1, 1.0, tree(tmp_path / "root", FILES)), into)
    assert os.listdir(into) == [CAPTURE]
    assert stat.S_IMODE((tmp_path / "into" / CAPTURE).stat().st_mode) == 0o700
    assert directory.samefile(tmp_path / "into" / CAPTURE)


def test_progress_is_in_page_frames(tmp_path: Path, into: int) -> None:
    said: list[tuple[str, int, int | None]] = []
    request = LiveRequest(1, 1.0, tree(tmp_path / "root", FILES))
    collect_capture(request, into, lambda *words: said.append(words))
    # Lines that come together may be reported as one.
    assert said[-1] == ("swap_page_owner", 0, None)
    assert set(said) <= {("page_owner", 0, 0x2000), ("show_stacks", 0, None), said[-1]}


def test_options_are_within_the_collectors_limits() -> None:
    command = compiled_command(LiveRequest(64, 1e9))
    assert command[1:] == ["-j", "8", "-t", "86400.000"]


SH = ["sh", "-c"]


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo spo-collect: no room >&2; exit 1", "no room"),
        ("echo spo-collect: first >&2; echo spo-collect: last >&2; exit 1", "last"),
        ("exit 3", "the collector ended with status 3"),
        ("kill -KILL $$", "the collector was ended by SIGKILL"),
        ("yes 'spo-collect: many words' | head -n 40000 >&2; echo spo-collect: end >&2; exit 1", "end"),
        ("yes 'page_owner 17' | head -n 40000 > /proc/self/fd/$1; exit 1", "the collector ended with status 1"),
        ("exit 0", "the collector ended with status 0"),
    ],
)
def test_a_collector_that_leaves_no_capture(into: int, script: str, why: str) -> None:
    words: list[list[str]] = []
    # `-p FD DIRECTORY` follow, $0 is "-p".
    with pytest.raises(CollectorFailed) as caught:
        run([[*SH, script]], into, CAPTURE, lambda line: words.append(list(line)))
    assert str(caught.value) == why
    assert "17" not in script or ["page_owner", "17"] in words


def test_an_error_is_one_for_users(tmp_path: Path, into: int) -> None:
    with pytest.raises(SpoTraceError) as caught:
        collect_capture(LiveRequest(1, 1.0, tmp_path / "nowhere"), into)
    assert caught.value.message == f"this machine could not be read: {tmp_path / 'nowhere'}: there is no such directory"


def test_an_exception_ends_the_collector(tmp_path: Path, into: int) -> None:
    pid = tmp_path / "pid"
    script = f"trap 'rm {pid}; exit' TERM; echo $$ > {pid}; echo page_owner 1 > /proc/self/fd/$1\n"
    script += "while :; do sleep 0.01; done"

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([[*SH, script]], into, CAPTURE, interrupt)
    assert not pid.exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
