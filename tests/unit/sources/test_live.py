# SPDX-License-Identifier: LGPL-2.1-or-later
"""This machine, modelled by a tree of files."""

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from spo_trace.collect.snapshot import collect
from spo_trace.errors import SpoTraceError
from spo_trace.formats.missing import Missing
from spo_trace.formats.reasons import Skipped
from spo_trace.formats.runs import Run
from spo_trace.formats.text import Chunks
from spo_trace.formats.text_reader import chunks_in, records_in
from spo_trace.machine.facts import Machine
from spo_trace.machine.needs import why_no_page_owner
from spo_trace.native import library
from spo_trace.sources import live, many_readers
from spo_trace.sources.kernel_file import KernelFile
from spo_trace.sources.live import LiveSource
from spo_trace.sources.source import PATHS
from spo_trace.sources.unreadable import Unreadable, explain
from tests.support import capture, page
from tests.unit.sources.fake_kernel import FakeFile, FakeKernel

DEBUGFS = "sys/kernel/debug/"


def failing(number: int) -> Any:
    """Return a replacement for os.read or os.pread that fails with `number`."""

    def call(*_: object) -> bytes:
        raise OSError(number, os.strerror(number))

    return call


def content(source: LiveSource, name: str) -> bytes | None:
    """Return a file's whole text."""
    text = source.open(name)
    return None if text is None else b"".join(chunks_in(text))


def test_every_file_is_read_at_its_path(tmp_path: Path) -> None:
    made = {name: path for name, path in PATHS.items() if not name.endswith("-after")}
    capture(tmp_path, {path: name.encode() for name, path in made.items()})
    source = LiveSource(tmp_path)
    found = {name: content(source, name) for name in PATHS if name not in ("uname", "date", "pagesize")}
    # The files "-after" are the same ones, read later.
    assert found == {name: name.removesuffix("-after").encode() for name in found}
    assert (source.kind, source.options) == ("live", {})


def test_record_ends_are_kept_where_they_matter(tmp_path: Path) -> None:
    capture(tmp_path, {path: page() for path in PATHS.values()})
    opened = {name: LiveSource(tmp_path).open(name) for name in PATHS}
    delimited = {name for name, text in opened.items() if text is not None and not isinstance(text.content, Chunks)}
    assert delimited == {"page_owner", "swap_page_owner"}


def test_facts_that_python_gives() -> None:
    source = LiveSource(Path("/nonexistent"))
    system = os.uname()
    uname = content(source, "uname")
    assert uname is not None
    assert uname.decode() == f"{system.sysname} {system.nodename} {system.release} {system.version} {system.machine}"
    assert content(source, "pagesize") == str(os.sysconf("SC_PAGESIZE")).encode()
    date = content(source, "date")
    assert date is not None
    assert re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", date)


def test_files_that_the_kernel_lacks(tmp_path: Path) -> None:
    source = LiveSource(tmp_path)
    assert source.open("page_owner") is None
    assert source.why_missing("page_owner").code is why_no_page_owner(Machine(tmp_path)).code  # type: ignore[union-attr]
    assert source.why_missing("zoneinfo") == (Missing.NO_FILE, "the kernel has no /proc/zoneinfo", "")
    # On a kernel with page_owner, the other files have their own reason.
    source = LiveSource(capture(tmp_path, {DEBUGFS + "page_owner": page()}))
    assert source.open("swap_page_owner") is None
    assert source.why_missing("swap_page_owner") == (Missing.NO_FILE, "the kernel has no swap_page_owner file", "")
    assert source.open("show_stacks") is None
    assert source.why_missing("show_stacks").text == "the kernel has no show_stacks file (Linux 6.9 and later have it)"


def test_a_kernel_that_does_not_track_swap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    capture(tmp_path, {DEBUGFS + "swap_page_owner": b"x"})
    monkeypatch.setattr(os, "pread", failing(errno.EINVAL))
    source = LiveSource(tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert source.open("swap_page_owner") is None
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    text = "page_owner does not track swap: boot with page_owner=on,swap"
    assert source.why_missing("swap_page_owner") == (Missing.NOT_SWITCHED_ON, text, "")


def test_nothing_stays_open_where_page_owner_can_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a machine with swap_page_owner whose page_owner can't be read
    capture(tmp_path / "root", {DEBUGFS + name: page() for name in ("page_owner", "swap_page_owner")})
    opened = os.open

    def refusing(path: os.PathLike[str], *rest: Any, **more: Any) -> int:
        if Path(path).name == "page_owner":
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, *rest, **more)

    before = len(list(Path("/proc/self/fd").iterdir()))
    with monkeypatch.context() as patch:
        patch.setattr("spo_trace.sources.kernel_file.os.open", refusing)
        # WHEN a snapshot is attempted
        with pytest.raises(SpoTraceError, match="can't be read"):
            collect(LiveSource(tmp_path / "root"), tmp_path / "x.spo")
    # THEN no descriptor is left
    assert len(list(Path("/proc/self/fd").iterdir())) == before


FIXES = {
    errno.ENODEV: (Missing.READ_ERROR, "run: spo-trace doctor"),
    errno.EIO: (Missing.READ_ERROR, "run: spo-trace doctor"),
}


@pytest.mark.parametrize(("number", "expected"), FIXES.items(), ids=[errno.errorcode[number] for number in FIXES])
@pytest.mark.parametrize("when", ["open", "read"])
def test_what_an_error_means(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, expected: tuple[Missing, str], when: str
) -> None:
    path = capture(tmp_path, {DEBUGFS + "page_owner": b"x"}) / DEBUGFS / "page_owner"
    monkeypatch.setattr(os, when, failing(number))
    with pytest.raises(Unreadable) as caught:
        content(LiveSource(tmp_path), "page_owner")
    name = errno.errorcode[number]
    assert caught.value.message == f"{path} can't be read: {os.strerror(number)} ({name})"
    assert (caught.value.code, caught.value.hint) == expected
    assert caught.value.exit_code == 1


LOCKED = {"sys/kernel/security/lockdown": b"none [integrity] confidentiality\n"}


@pytest.mark.parametrize(
    ("number", "files", "code"),
    [
        (errno.EPERM, LOCKED, Missing.LOCKDOWN),
        (errno.EPERM, {"run/.containerenv": b""}, Missing.CONTAINER),
        (errno.EACCES, {}, Missing.PERMISSION),
        (errno.EINVAL, {}, Missing.NOT_SWITCHED_ON),
    ],
)
@pytest.mark.parametrize("name", ["page_owner", "swap_page_owner"])
def test_a_refused_file_has_the_cause_that_doctor_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, files: dict[str, bytes], code: Missing, name: str
) -> None:
    # GIVEN a kernel that does not let root open files in debugfs
    capture(tmp_path, {DEBUGFS + "page_owner": page(), DEBUGFS + "swap_page_owner": b"x"} | files)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "open", failing(number))
    # WHEN a file is opened, THEN the error has doctor's cause and fix
    with pytest.raises(Unreadable) as caught:
        LiveSource(tmp_path).open(name)
    why = why_no_page_owner(Machine(tmp_path))
    assert why is not None and why.code is code
    assert (caught.value.code, caught.value.message, caught.value.hint) == (
        code,
        f"page_owner can't be read: {why.text}",
        why.hint or "run: spo-trace doctor",
    )


def test_an_error_without_a_name() -> None:
    assert (
        explain(Path("/x"), OSError(4095, ""), Machine(Path("/x"))).message
        == "/x can't be read: Unknown error 4095 (4095)"
    )


def test_the_file_is_closed_after_the_last_record(tmp_path: Path) -> None:
    capture(tmp_path, {DEBUGFS + "page_owner": page()})
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert content(LiveSource(tmp_path), "page_owner") == page()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_default_is_this_machine() -> None:
    assert live.LiveSource()._root == Path("/")


@pytest.fixture
def many_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a machine with a modelled page_owner: 3000 records, some of them too large."""
    kernel = FakeKernel(range(0x100, 0x2000, 2), range(0x200, 0x1000, 38), record=one_of_many)

    def opened(path: Path, mode: bytes | None = None) -> FakeFile | KernelFile:
        return kernel.open() if path.name == "page_owner" else KernelFile(path, mode)

    monkeypatch.setattr(live, "KernelFile", opened)
    for name in ("_LEAST", "_FIRST", "_MOST"):
        monkeypatch.setattr(many_readers, name, 64)
    return capture(tmp_path / "root", {DEBUGFS + "page_owner": b""})


def one_of_many(pfn: int) -> bytes:
    """Return a record; a few processes and stacks repeat."""
    return page(pfn, pfn % 5, b"dd%d" % (pfn % 11), stack=(b"f%d+0x1/0x2" % (pfn % 7),), ts=pfn)


def test_snapshots_do_not_depend_on_the_number_of_readers(many_pages: Path, tmp_path: Path) -> None:
    tables = []
    for jobs in (1, 2, 5):
        snap = collect(LiveSource(many_pages, jobs), tmp_path / f"{jobs}.spo", jobs=jobs)
        assert snap.count("pages") + snap.meta.files["page_owner"].skipped[Skipped.TOO_LARGE] == 0x1F00 // 2
        tables.append([(tmp_path / f"{jobs}.spo" / f"{name}.parquet").read_bytes() for name in ("pages", "stacks")])
    assert tables[0] == tables[1] == tables[2]


@pytest.mark.parametrize("jobs", [1, 3])
def test_there_are_as_many_readers_as_jobs(many_pages: Path, monkeypatch: pytest.MonkeyPatch, jobs: int) -> None:
    readers: list[object] = []

    def noted(files: list[object], *_: object) -> Iterator[Run]:
        readers.extend(files)
        return iter(())

    monkeypatch.setattr(live, "range_runs", noted)
    assert LiveSource(many_pages, jobs).open("page_owner") is not None
    assert len(set(readers)) == jobs


def test_progress_is_in_page_frames(many_pages: Path) -> None:
    zoneinfo = b"Node 0, zone   Normal\n  pages free     1\n        spanned  7936\n  start_pfn:           256\n"
    text = LiveSource(capture(many_pages, {"proc/zoneinfo": zoneinfo}), 2).open("page_owner")
    assert text is not None
    assert text.size == 0x2000
    next(iter(records_in(text)))
    assert 0 < text.outcome.reached <= 0x2000


class Counted(FakeFile):
    """Count how many files are open."""

    open = 0

    def __enter__(self) -> Self:
        Counted.open += 1
        return self

    def __exit__(self, *_: object) -> None:
        Counted.open -= 1


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("compiled", [True, False])
def test_every_reader_is_closed_after_the_last_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int, compiled: bool
) -> None:
    # GIVEN a page_owner with a record that can't be read, and either parser
    def failing(pfn: int) -> bytes:
        if pfn == bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return page(pfn)

    kernel = FakeKernel(range(1, 5000), record=failing)
    root = capture(tmp_path / "root", {DEBUGFS + "page_owner": b""})

    def opened(path: Path, mode: bytes | None = None) -> FakeFile | KernelFile:
        return Counted(kernel) if path.name == "page_owner" and mode is None else KernelFile(path, mode)

    monkeypatch.setattr(live, "KernelFile", opened)
    if not compiled:
        monkeypatch.setattr(library, "load", lambda: None)
    # WHEN a snapshot is taken, THEN the error names the file, and all files are closed
    bad = 3000
    with pytest.raises(SpoTraceError, match=r"/page_owner can't be read: Input/output error \(EIO\)"):
        collect(LiveSource(root, jobs), tmp_path / "bad.spo", jobs=jobs)
    assert Counted.open == 0
    # AND they are also closed if all can be read
    bad = 0
    assert collect(LiveSource(root, jobs), tmp_path / "good.spo", jobs=jobs).count("pages") == 4999
    assert Counted.open == 0
