# SPDX-License-Identifier: LGPL-2.1-or-later
"""This machine, modelled by a tree of files: what is read in place."""

import errno
import io
import os
import re
from pathlib import Path
from typing import Any

import pytest

from spo_trace.formats.missing import Missing
from spo_trace.formats.text_reader import chunks_in
from spo_trace.machine.facts import Machine
from spo_trace.machine.needs import why_no_page_owner
from spo_trace.sources.live import LiveSource
from spo_trace.sources.source import PATHS, RECORD_FILES
from spo_trace.sources.unreadable import Unreadable, explain
from tests.collectors import this_machine
from tests.support import capture, page

DEBUGFS = "sys/kernel/debug/"


def content(source: LiveSource, name: str) -> bytes | None:
    """Return a file's whole text."""
    text = source.open(name)
    return None if text is None else b"".join(chunks_in(text))


def test_every_small_file_is_read_at_its_path(tmp_path: Path) -> None:
    small = [name for name in PATHS if name not in (*RECORD_FILES, "uname", "date", "pagesize")]
    capture(tmp_path, {PATHS[name]: name.encode() for name in small})
    source = this_machine(tmp_path)
    assert {name: content(source, name) for name in small} == {name: name.encode() for name in small}
    assert (source.kind, source.options) == ("live", {})


def test_files_are_read_in_small_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a file of which the kernel returns a part at a time
    sizes: list[int] = []

    class Kernel(io.RawIOBase):
        pieces = iter((b"a", b"b" * 5000, b""))

        def read(self, size: int = -1, /) -> bytes:
            sizes.append(size)
            return next(self.pieces)

    monkeypatch.setattr(Path, "open", lambda *_, **__: Kernel())
    assert content(this_machine(tmp_path), "boot_id") == b"a" + b"b" * 5000
    assert 0 < min(sizes) <= max(sizes) <= 1 << 16


def test_facts_that_python_gives() -> None:
    source = this_machine(Path("/nonexistent"))
    system = os.uname()
    uname = content(source, "uname")
    assert uname is not None
    assert uname.decode() == f"{system.sysname} {system.nodename} {system.release} {system.version} {system.machine}"
    assert content(source, "pagesize") == str(os.sysconf("SC_PAGESIZE")).encode()
    date = content(source, "date")
    assert date is not None
    assert re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", date)


def test_files_that_the_kernel_lacks(tmp_path: Path) -> None:
    source = this_machine(tmp_path)
    assert source.open("show_stacks") is None
    assert source.why_missing("show_stacks").code is why_no_page_owner(Machine(tmp_path)).code  # type: ignore[union-attr]
    assert source.why_missing("zoneinfo") == (Missing.NO_FILE, "the kernel has no /proc/zoneinfo", "")
    # On a kernel with page_owner, the other files have their own reason.
    source = this_machine(capture(tmp_path, {DEBUGFS + "page_owner": page()}))
    assert source.open("show_stacks") is None
    assert source.why_missing("show_stacks").text == "the kernel has no show_stacks file (Linux 6.9 and later have it)"


def failing(number: int) -> Any:
    """Return a replacement for a function that fails with `number`."""

    def call(*_: object, **__: object) -> bytes:
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.parametrize("number", [errno.ENODEV, errno.EIO], ids=errno.errorcode.get)
def test_what_an_error_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    path = capture(tmp_path, {"proc/zoneinfo": b"x"}) / "proc/zoneinfo"
    monkeypatch.setattr(Path, "open", failing(number))
    with pytest.raises(Unreadable) as caught:
        content(this_machine(tmp_path), "zoneinfo")
    assert caught.value.message == f"{path} can't be read: {os.strerror(number)} ({errno.errorcode[number]})"
    assert (caught.value.code, caught.value.hint) == (Missing.READ_ERROR, "run: spo-trace doctor")
    assert caught.value.exit_code == 1


def test_an_error_without_a_name() -> None:
    assert (
        explain(Path("/x"), OSError(4095, ""), Machine(Path("/x"))).message
        == "/x can't be read: Unknown error 4095 (4095)"
    )
