# SPDX-License-Identifier: LGPL-2.1-or-later
"""A capture that was just collected of this machine: the reasons for what is missing are this machine's."""

import errno
import os
from pathlib import Path

import pytest

from spo_trace.errors import SpoTraceError
from spo_trace.formats.missing import Missing
from spo_trace.formats.reasons import Skipped
from spo_trace.machine.facts import Machine
from spo_trace.machine.needs import why_no_page_owner
from spo_trace.sources.collected import CollectedSource
from spo_trace.sources.unreadable import Unreadable
from tests.collectors import collected
from tests.support import MACHINE, Files, capture, pack, page

DEBUGFS = "sys/kernel/debug/"
OWNERS = {DEBUGFS + "page_owner": page()}


def with_error(
    tmp_path: Path, name: str, error: bytes, files: Files = OWNERS, *, kept: bool = False
) -> CollectedSource:
    """Return what was collected of a machine on which reading a file failed; `kept`: after some of its text."""
    root = capture(tmp_path / "root", files)
    made = capture(tmp_path / "made", {"reads": b"page_owner 5 7 0\n", f"{name}.err": error})
    if kept:
        capture(made, {f"{name}.gz": pack(page(), "gz")})
    return CollectedSource(made, root)


def test_texts_have_the_times_of_the_collector(tmp_path: Path) -> None:
    made = capture(
        tmp_path, {"reads": b"page_owner 1500 2250 3\nshow_stacks 4000 0 0\n", "page_owner.gz": pack(page(), "gz")}
    )
    text = CollectedSource(made).open("page_owner")
    assert text is not None
    assert (text.outcome.began, text.outcome.seconds, text.outcome.retried) == (1.5, 2.25, 3)


def test_files_that_the_kernel_lacks(tmp_path: Path) -> None:
    source = collected(tmp_path, {"cmdline": b"quiet\n"})
    assert source.open("page_owner") is None
    assert source.why_missing("page_owner").code is why_no_page_owner(Machine(tmp_path / "root")).code  # type: ignore[union-attr]
    assert source.open("zoneinfo") is None
    assert source.why_missing("zoneinfo") == (Missing.NO_FILE, "the kernel has no /proc/zoneinfo", "")


def test_files_that_a_kernel_with_page_owner_lacks(tmp_path: Path) -> None:
    source = collected(tmp_path, {**MACHINE, "page_owner": page()})
    assert source.open("swap_page_owner") is None
    assert source.why_missing("swap_page_owner") == (Missing.NO_FILE, "the kernel has no swap_page_owner file", "")
    assert source.open("show_stacks") is None
    assert source.why_missing("show_stacks").text == "the kernel has no show_stacks file (Linux 6.9 and later have it)"


def test_a_kernel_that_does_not_track_swap(tmp_path: Path) -> None:
    source = with_error(tmp_path, "swap_page_owner", b"EINVAL: /x: Invalid argument\n")
    assert source.open("swap_page_owner") is None
    text = "page_owner does not track swap: boot with page_owner=on,swap"
    assert source.why_missing("swap_page_owner") == (Missing.NOT_SWITCHED_ON, text, "")


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
def test_a_refused_file_has_the_cause_that_doctor_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, files: Files, code: Missing
) -> None:
    # GIVEN a kernel that does not let root open page_owner, which the collector found, too
    name = errno.errorcode[number]
    source = with_error(tmp_path, "page_owner", f"{name}: /x: {os.strerror(number)}\n".encode(), {**OWNERS, **files})
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    def refusing(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("spo_trace.machine.page_owner.os.open", refusing)
    # WHEN it is opened, THEN the error has doctor's cause and fix
    why = why_no_page_owner(Machine(tmp_path / "root"))
    monkeypatch.undo()
    monkeypatch.setattr("spo_trace.sources.unreadable.why_no_page_owner", lambda _: why)
    assert why is not None and why.code is code
    with pytest.raises(Unreadable) as caught:
        source.open("page_owner")
    assert (caught.value.code, caught.value.message) == (code, f"page_owner can't be read: {why.text}")
    assert caught.value.hint == (why.hint or "run: spo-trace doctor")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (b"EIO: PATH: Input/output error\n", "Input/output error (EIO)"),
        (b"UNKNOWN: PATH: No such device\n", "No such device"),
        (b"ENOMEM: the kernel ran out of memory\n", "the kernel ran out of memory"),
    ],
)
@pytest.mark.parametrize("name", ["page_owner", "zoneinfo"])
def test_an_error_is_not_a_missing_file(tmp_path: Path, error: bytes, text: str, name: str) -> None:
    path = tmp_path / "root" / {"page_owner": DEBUGFS + "page_owner", "zoneinfo": "proc/zoneinfo"}[name]
    source = with_error(tmp_path, name, error.replace(b"PATH", os.fsencode(path)))
    with pytest.raises(Unreadable) as caught:
        source.open(name)
    assert (caught.value.message, caught.value.code) == (f"{path} can't be read: {text}", caught.value.code)
    assert caught.value.exit_code == 1


def test_a_part_of_page_owner_is_an_error(tmp_path: Path) -> None:
    source = with_error(tmp_path, "page_owner", b"EIO: /x: Input/output error\n", kept=True)
    with pytest.raises(SpoTraceError, match=r"page_owner can't be read: Input/output error \(EIO\)"):
        source.open("page_owner")


def test_a_lasting_lack_of_memory_leaves_the_records_before_it(tmp_path: Path) -> None:
    text = with_error(tmp_path, "page_owner", b"ENOMEM: the kernel ran out\n", kept=True).open("page_owner")
    assert text is not None
    assert text.outcome.problem == "the kernel ran out"


def test_records_that_do_not_fit_are_counted(tmp_path: Path) -> None:
    error = b"E2BIG: 12 records do not fit the kernel's buffer\n"
    text = with_error(tmp_path, "page_owner", error, kept=True).open("page_owner")
    assert text is not None
    assert (text.outcome.problem, text.outcome.skipped) == (None, {Skipped.TOO_LARGE: 12})


@pytest.mark.parametrize(
    ("error", "code"), [(b"ETIMEDOUT: it blocks\n", Missing.BLOCKED), (b"EIO: /x: I/O\n", "read_error")]
)
def test_counts_that_cannot_be_read_are_left_out(tmp_path: Path, error: bytes, code: Missing) -> None:
    source = with_error(tmp_path, "show_stacks", error)
    assert source.open("show_stacks") is None
    assert source.why_missing("show_stacks").code == code
