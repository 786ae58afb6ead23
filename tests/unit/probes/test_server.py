# SPDX-License-Identifier: LGPL-2.1-or-later
"""Open maps are sent over a private socket to snapshots of root only."""

import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from spo_trace.errors import SpoTraceError
from spo_trace.probes import server
from spo_trace.probes.probes import Probes
from spo_trace.probes.server import TraceServer, connect, only_one, own_directory
from spo_trace.version import __version__


@pytest.fixture
def directory() -> Iterator[Path]:
    """Return a directory whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="spo-", dir="/tmp") as path:
        yield Path(path) / "run"


def probes() -> Probes:
    """Return probes with one map, which is a file, and one link, which is the end of a pipe."""
    with tempfile.TemporaryFile() as file:
        file.write(b"the map")
        file.flush()
        return Probes(
            {
                "loader": "libbpf 1.1",
                "hooks": {},
                "fentry": True,
                "owners": True,
                "checked_pages": 0,
                "maps": ["entries"],
                "programs": 0,
                "pid": 4711,
            },
            [os.dup(file.fileno()), os.dup(0)],
        )


def asked(listening: TraceServer, directory: Path) -> Probes | None:
    """Return what a client receives."""
    thread = Thread(target=listening.answer)
    thread.start()
    try:
        return connect(directory)
    finally:
        thread.join()


def test_only_maps_and_programs_are_sent(directory: Path) -> None:
    with probes() as held, TraceServer(held, directory) as listening:
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert stat.S_IMODE((directory / "trace.sock").stat().st_mode) == 0o600
        got = asked(listening, directory)
        assert got is not None
        assert got.facts == {**held.facts, "version": __version__}
        assert len(got.descriptors) == 1
        assert os.pread(got.descriptors[0], 100, 0) == b"the map"
        got.close()
        # The client has closed it; it is still open here.
        assert os.pread(held.descriptors[0], 100, 0) == b"the map"
    assert list(directory.iterdir()) == []
    assert connect(directory) is None


def test_connect_without_a_trace(directory: Path) -> None:
    assert connect(directory) is None


def test_one_trace_at_a_time(directory: Path) -> None:
    with only_one(directory):
        with pytest.raises(SpoTraceError, match="another trace is starting"), only_one(directory):
            pass
        with probes() as held, TraceServer(held, directory) as listening:
            thread = Thread(target=listening.answer)
            thread.start()
            said = "the probes are already attached, by process 4711"
            with pytest.raises(SpoTraceError, match=said), only_one(directory):
                pass
            thread.join()
    with only_one(directory):
        pass


def test_files_of_a_killed_loader_are_removed(directory: Path) -> None:
    (own_directory(directory) / "loader-x" / "kheaders").mkdir(parents=True)
    with only_one(directory):
        assert [path.name for path in directory.iterdir()] == ["lock"]


def test_the_socket_of_a_killed_trace_is_replaced(directory: Path) -> None:
    own_directory(directory)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(directory / "trace.sock"))
    assert connect(directory) is None
    with probes() as held, TraceServer(held, directory) as listening:
        got = asked(listening, directory)
        assert got is not None
        got.close()


def test_a_client_that_disconnects_stops_nothing(directory: Path) -> None:
    with probes() as held, TraceServer(held, directory) as listening:
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(directory / "trace.sock"))
        listening.answer()
        got = asked(listening, directory)
        assert got is not None
        got.close()


def test_a_trace_that_does_not_answer(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_TIMEOUT_SECONDS", 0.05)
    with probes() as held, TraceServer(held, directory), pytest.raises(SpoTraceError) as caught:
        connect(directory)
    assert caught.value.message == "cannot get the maps of the running trace: it does not answer"
    assert caught.value.hint == "swap='none' does without it"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "the running trace exited before it answered"),
        (b"{", "the running trace sent an answer that spo-trace "),
        (b"[]", "the running trace sent an answer that spo-trace "),
        (b'{"version": "0", "maps": [], "programs": 1}', "the running trace sent an answer that spo-trace "),
        (
            b'{"version": "%s", "maps": [], "programs": 2}' % __version__.encode(),
            "the running trace sent an answer that spo-trace ",
        ),
        (b"\xff" * (1 << 17), "the running trace sent an answer that spo-trace "),
    ],
    ids=["nothing", "cut off", "no facts", "another version", "descriptors lost", "too long"],
)
def test_an_invalid_answer(directory: Path, answer: bytes, said: str) -> None:
    def play(listening: socket.socket) -> None:
        peer, _ = listening.accept()
        # The client may have disconnected before it has read everything.
        with peer, suppress(BrokenPipeError, ConnectionResetError):
            if answer:
                socket.send_fds(peer, [answer], [0])

    own_directory(directory)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(directory / "trace.sock"))
        listening.listen()
        thread = Thread(target=play, args=[listening])
        thread.start()
        before = open_descriptors()
        with pytest.raises(SpoTraceError) as caught:
            connect(directory)
        thread.join()
        assert caught.value.message.startswith(said)
        assert "sudo spo-trace trace; swap='none' does without it" in (caught.value.hint or "")
        assert open_descriptors() <= before


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_data_sent_to_the_trace_is_not_read(directory: Path) -> None:
    with probes() as held, TraceServer(held, directory) as listening:
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(directory / "trace.sock"))
            peer.sendall(b"\xff" * 10_000)
            listening.answer()
        got = asked(listening, directory)
        assert got is not None
        got.close()


@pytest.mark.parametrize("mode", [0o777, 0o720])
def test_a_directory_that_others_can_write_is_refused(directory: Path, mode: int) -> None:
    directory.mkdir()
    directory.chmod(mode)
    with pytest.raises(SpoTraceError, match="is not a directory that only root can write to"):
        own_directory(directory)


def test_a_planted_link_is_refused(directory: Path, tmp_path: Path) -> None:
    directory.symlink_to(tmp_path)
    with pytest.raises(SpoTraceError, match="is not a directory that only root can write to"):
        own_directory(directory)
