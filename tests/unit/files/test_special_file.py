# SPDX-License-Identifier: LGPL-2.1-or-later
"""Output to devices, FIFOs and descriptors: written to only if they are what the user meant, and never replaced."""

import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spo_trace.errors import SpoTraceError
from spo_trace.files.access import OWN
from spo_trace.files.text_file import check_file, text_file
from tests.unit.files.hooks import before
from tests.unit.files.users import OTHER, SUDO, USER, as_root, ids, shared

__all__ = ["shared"]

OPEN = "spo_trace.files.special_file._open"


def write(path: Path, text: str = "report", *, force: bool = False) -> None:
    """Write text to a path as every command does."""
    check_file(path, force=force)
    with text_file(path, OWN, force=force) as file:
        file.write(text)


def refusal(path: Path, *, force: bool = False) -> SpoTraceError:
    """Return the error of writing to a path."""
    with pytest.raises(SpoTraceError) as caught:
        write(path, force=force)
    return caught.value


class Reader:
    """Read a FIFO in a thread until its writer closes it."""

    def __init__(self, fifo: Path) -> None:
        # Opened for writing too, so that opening does not wait for the writer.
        self._keep = os.open(fifo, os.O_RDWR)
        self._fd = os.open(fifo, os.O_RDONLY)
        self._read: list[bytes] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while chunk := os.read(self._fd, 1 << 16):
            self._read.append(chunk)

    def content(self) -> bytes:
        """Return everything that was written."""
        os.close(self._keep)
        self._thread.join()
        os.close(self._fd)
        return b"".join(self._read)


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "fifo")
    return tmp_path / "fifo"


@pytest.mark.parametrize("force", [False, True])
def test_a_fifo_gets_everything_and_stays(fifo: Path, force: bool) -> None:
    # More than a pipe holds (64 KiB): a descriptor that does not block would lose the rest.
    text = "report" * 100_000
    reader = Reader(fifo)
    write(fifo, text, force=force)
    assert reader.content() == text.encode()
    assert stat.S_ISFIFO(fifo.lstat().st_mode)


def test_a_fifo_without_a_reader_is_an_error_and_not_a_wait(fifo: Path) -> None:
    error = refusal(fifo)
    assert error.message == f"no program reads from {fifo}"
    assert error.hint == f"start the reader first, for example: cat {fifo}"


@as_root
@pytest.mark.parametrize("owner", [USER, OTHER])
def test_under_sudo_only_the_callers_fifo_is_trusted(
    shared: Path, monkeypatch: pytest.MonkeyPatch, owner: object
) -> None:
    for name, value in SUDO.items():
        monkeypatch.setenv(name, value)
    os.mkfifo(shared / "fifo")
    uid = owner.pw_uid  # type: ignore[attr-defined]
    os.chown(shared / "fifo", uid, -1)
    reader = Reader(shared / "fifo")
    if owner is USER:
        write(shared / "fifo")
    else:
        error = refusal(shared / "fifo")
        assert error.message == f"{shared}/fifo is a FIFO of another user (uid {uid})"
        assert error.hint == "make a FIFO of your own, use a pipe (… | COMMAND), or name a new file"
    assert reader.content() == (b"report" if owner is USER else b"")


@as_root
def test_root_does_not_trust_the_fifo_of_a_user(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SUDO:
        monkeypatch.delenv(name, raising=False)
    os.mkfifo(shared / "fifo")
    os.chown(shared / "fifo", USER.pw_uid, -1)
    reader = Reader(shared / "fifo")
    assert "FIFO of another user" in refusal(shared / "fifo").message
    assert reader.content() == b""


@pytest.mark.parametrize("put", [Path.symlink_to, Path.hardlink_to])
@pytest.mark.parametrize("force", [False, True])
def test_the_fifo_is_replaced_between_the_check_and_the_open(
    fifo: Path, monkeypatch: pytest.MonkeyPatch, put: Callable[[Path, Path], None], force: bool
) -> None:
    # GIVEN a FIFO, in whose place a link to a file of another user is put right before it is opened
    victim = fifo.with_name("victim")
    victim.write_text("untouched")

    def exchange() -> None:
        fifo.unlink()
        put(fifo, victim)

    before(monkeypatch, OPEN, exchange)
    # WHEN it is written to, THEN this is refused
    said = "can't be written: Too many levels" if put is Path.symlink_to else "is neither a file, a FIFO nor"
    assert said in refusal(fifo, force=force).message
    assert victim.read_text() == "untouched"


def test_a_file_that_becomes_a_fifo_is_not_written_to(tmp_path: Path) -> None:
    with pytest.raises(SpoTraceError, match=r"/x exists$"), text_file(tmp_path / "x", OWN) as file:
        file.write("report")
        os.mkfifo(tmp_path / "x")
    assert stat.S_ISFIFO((tmp_path / "x").lstat().st_mode)


@pytest.mark.parametrize("force", [False, True])
def test_a_character_device_stays_as_it_is(force: bool) -> None:
    owner = ids(Path("/dev/null"))
    write(Path("/dev/null"), force=force)
    assert Path("/dev/null").is_char_device() and ids(Path("/dev/null")) == owner


def test_a_terminal(tmp_path: Path) -> None:
    reading, terminal = os.openpty()
    write(Path(os.ttyname(terminal)))
    assert os.read(reading, 100) == b"report"
    os.close(reading)
    os.close(terminal)


@as_root
def test_a_block_device_is_refused(tmp_path: Path) -> None:
    try:
        os.mknod(tmp_path / "disk", stat.S_IFBLK | 0o600, os.makedev(1, 0))
    except PermissionError:
        pytest.skip("this container may not create devices")
    for force in (False, True):
        # Without a driver, opening fails.
        said = refusal(tmp_path / "disk", force=force).message
        assert "neither a file, a FIFO nor a character device" in said or "can't be written: No such device" in said


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        assert refusal(tmp_path / "socket").message.startswith(f"{tmp_path}/socket can't be written: No such device")


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Return the two ends of a pipe that a shell could have opened."""
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    yield reading, writing
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("directory", ["/dev/fd", "/proc/self/fd"])
def test_a_process_substitution(pipe: tuple[int, int], directory: str) -> None:
    reading, writing = pipe
    write(Path(directory) / str(writing))
    assert os.read(reading, 100) == b"report"


def test_descriptors_that_the_shell_did_not_open_for_writing(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    # The reading end, one that spo-trace opened itself, and one that is not open.
    os.set_inheritable(reading, True)
    os.set_inheritable(writing, False)
    for number in (reading, writing, 999_999):
        error = refusal(Path(f"/dev/fd/{number}"))
        assert error.message == f"/dev/fd/{number} is not open for writing"
        assert "use a pipe" in str(error.hint)


@pytest.mark.parametrize(("name", "number"), [("/dev/stdout", 1), ("/dev/stderr", 2)])
def test_standard_streams(name: str, number: int, capfd: pytest.CaptureFixture[str]) -> None:
    write(Path(name))
    assert capfd.readouterr()[number - 1] == "report"
