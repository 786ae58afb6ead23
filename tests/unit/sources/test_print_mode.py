# SPDX-License-Identifier: LGPL-2.1-or-later
"""Handles instead of stacks, with a model of the print_mode series: no released kernel has it yet."""

import errno
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from spo_trace.collect.snapshot import collect
from spo_trace.formats.text_reader import records_in
from spo_trace.sources import live, print_mode
from spo_trace.sources.child_reader import read_in_child
from spo_trace.sources.kernel_file import KernelFile
from spo_trace.sources.live import LiveSource
from spo_trace.sources.print_mode import HANDLE, prints_handles
from tests.support import ANON, FS, MACHINE, SHMEM, capture, page
from tests.unit.sources.fake_kernel import FakeFile, FakeKernel

DEBUGFS = "sys/kernel/debug"
STACKS = {1: ANON, 2: SHMEM, 4000000000: FS}
# The handle of each page's stack.
PAGES = {pfn: list(STACKS)[pfn % 3] for pfn in range(0x100, 0x400)}


class ModeFile(FakeFile):
    """Print in the mode of the descriptor, like read_page_owner() of that series."""

    def __init__(self, kernel: FakeKernel, mode: bytes | None) -> None:
        """Set the mode, or refuse an invalid one."""
        super().__init__(kernel)
        if mode not in (None, b"mode=stack", b"mode=handle", b"mode=stack_handle"):
            raise OSError(errno.EINVAL, "Invalid argument")
        self.mode = mode or b"mode=stack"

    def _in_mode(self, record: bytes) -> bytes:
        if not record:
            return record
        stack, handle = re.search(rb"(?:^ .*\n)+", record, re.MULTILINE), record[-11:-1]
        assert stack is not None
        if self.mode == b"mode=handle":
            record = record.replace(stack[0], b"")
        tail = b"" if self.mode == b"mode=stack" else b"handle: %d\n" % int(handle)
        return record[:-12] + tail + b"\n"

    def read(self) -> bytes:
        """Return the next record."""
        return self._in_mode(super().read())

    def pread(self, position: int) -> bytes:
        """Return the record at or after a position."""
        return self._in_mode(super().pread(position))


def with_handle(pfn: int, handles: dict[int, int] = PAGES) -> bytes:
    """Return a record whose last line, of 10 digits, gives the model its handle."""
    handle = handles[pfn]
    return page(pfn, stack=STACKS[handle], tail=b"%010d\n" % handle)[:-1] + b"\n"


def show_stacks_handles(*handles: int) -> bytes:
    """Return the text of the file of that name for these handles."""
    return b"".join(
        b"".join(b" %b\n" % frame for frame in STACKS[handle]) + b"handle: %d\n\n" % handle for handle in handles
    )


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a function that makes a machine with a modelled page_owner."""

    def make(kernel: FakeKernel, listed: bytes, kind: type[ModeFile] = ModeFile) -> Path:
        def opened(path: Path, mode: bytes | None = None) -> ModeFile | KernelFile:
            return kind(kernel, mode) if path.name == "page_owner" else KernelFile(path, mode)

        for module in (live, print_mode):
            monkeypatch.setattr(module, "KernelFile", opened)
        files = {f"{DEBUGFS}/page_owner": b"", f"{DEBUGFS}/page_owner_stacks/show_stacks_handles": listed}
        return capture(tmp_path / "root", files | {"proc/uptime": MACHINE["uptime"]})

    return make


def stacks_of(root: Path, target: Path) -> tuple[dict[int, list[str]], list[str]]:
    """Return the frames of each page in a live snapshot, and its warnings."""
    snap = collect(LiveSource(root, jobs=2), target)
    joined = snap.pages.merge(snap.stacks, on="stack_id")
    return dict(zip(joined["pfn"], map(list, joined["frames"]), strict=True)), list(snap.meta.warnings)


EXPECTED = {pfn: [frame.decode() for frame in STACKS[handle]] for pfn, handle in PAGES.items()}


@pytest.mark.parametrize("listed", [(1, 2, 4000000000), (1,), (2, 4000000000)], ids=["all", "one", "two"])
def test_no_stack_is_lost(machine: Callable[..., Path], tmp_path: Path, listed: tuple[int, ...]) -> None:
    # GIVEN a kernel that prints handles, and whose list of stacks is incomplete
    kernel = FakeKernel(PAGES, record=with_handle)
    # WHEN it is read
    stacks, warnings = stacks_of(machine(kernel, show_stacks_handles(*listed)), tmp_path / "x.spo")
    # THEN each page still has its stack
    assert stacks == EXPECTED
    assert not [warning for warning in warnings if "handle" in warning]


def test_the_list_of_stacks_is_read_once(
    machine: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def noted(path: Path, timeout: float) -> bytes:
        read.append(path.name)
        return read_in_child(path, timeout)

    monkeypatch.setattr(live, "read_in_child", noted)
    kernel = FakeKernel(PAGES, record=with_handle)
    stacks_of(machine(kernel, show_stacks_handles(*STACKS)), tmp_path / "x.spo")
    assert read.count("show_stacks_handles") == 1


def test_without_the_list_page_owner_prints_stacks(machine: Callable[..., Path]) -> None:
    # GIVEN a caller that has not read the list of stacks
    kernel = FakeKernel(PAGES, record=with_handle)
    text = LiveSource(machine(kernel, show_stacks_handles(*STACKS))).open("page_owner")
    # THEN it gets the stacks
    assert text is not None
    records = b"".join(record.text for record in records_in(text))
    assert b"handle" not in records
    assert records.count(b"\n " + ANON[0]) == len(PAGES)


def test_few_records_are_read_twice(machine: Callable[..., Path], tmp_path: Path) -> None:
    kernel = FakeKernel(PAGES, record=with_handle)
    stacks_of(machine(kernel, show_stacks_handles(1)), tmp_path / "x.spo")
    assert kernel.reads < len(PAGES) + 20


def test_a_page_that_gets_another_owner_before_its_stack_is_read(machine: Callable[..., Path], tmp_path: Path) -> None:
    # GIVEN the first page of a handle, with another owner when it is read again
    first = min(pfn for pfn, handle in PAGES.items() if handle == 2)
    seen = []

    def moving(pfn: int) -> bytes:
        seen.append(pfn)
        # The first reads are the test of positions, that of a record that can be read, and the read of its range.
        return with_handle(pfn, PAGES | {first: 1}) if pfn == first and seen.count(first) > 3 else with_handle(pfn)

    kernel = FakeKernel(PAGES, record=moving)
    # THEN the next page with that handle gives both their stack
    assert stacks_of(machine(kernel, show_stacks_handles(1, 4000000000)), tmp_path / "x.spo")[0] == EXPECTED
    assert seen.count(first) == 4


def test_a_record_that_is_too_large_with_its_stack(machine: Callable[..., Path], tmp_path: Path) -> None:
    # GIVEN the first page of a handle, whose record fits the kernel's buffer only without the stack
    first = min(pfn for pfn, handle in PAGES.items() if handle == 2)
    asked = []

    class SmallFile(ModeFile):
        def pread(self, position: int) -> bytes:
            if position == first:
                asked.append(self.mode)
                raise OSError(errno.ENOMEM, "Cannot allocate memory")
            return super().pread(position)

    kernel = FakeKernel(PAGES, record=with_handle)
    # THEN its record is read, and the next page with that handle gives both their stack
    root = machine(kernel, show_stacks_handles(1, 4000000000), SmallFile)
    assert stacks_of(root, tmp_path / "x.spo")[0] == EXPECTED
    assert asked == [b"mode=stack_handle"]


def test_a_page_that_is_freed_before_its_stack_is_read(machine: Callable[..., Path], tmp_path: Path) -> None:
    # GIVEN a page that is freed before it is read again; the next one has the same handle
    class Freeing(FakeKernel):
        def find(self, position: int) -> tuple[bytes, int]:
            found = super().find(position)
            if found[1] == 0x102:
                self.pfns.remove(0x101)
            return found

    pages = {0x100: 1, 0x101: 2, 0x102: 2, 0x103: 1}
    kernel = Freeing(pages, record=lambda pfn: with_handle(pfn, pages))
    stacks, _ = stacks_of(machine(kernel, show_stacks_handles(1)), tmp_path / "x.spo")
    # THEN each page comes once, with its own stack
    assert stacks == {pfn: [frame.decode() for frame in STACKS[handle]] for pfn, handle in pages.items()}


def test_unknown_stacks_are_a_warning(machine: Callable[..., Path], tmp_path: Path) -> None:
    # GIVEN pages that all have another owner when they are read again
    count: Counter[int] = Counter()

    def moving(pfn: int) -> bytes:
        count[pfn] += 1
        return with_handle(pfn, PAGES | {pfn: 1} if count[pfn] > 1 + 2 * (pfn == 0x100) else PAGES)

    kernel = FakeKernel(PAGES, record=moving)
    stacks, warnings = stacks_of(machine(kernel, show_stacks_handles(1)), tmp_path / "x.spo")
    assert stacks == {pfn: EXPECTED[pfn] if handle == 1 else [] for pfn, handle in PAGES.items()}
    assert [warning for warning in warnings if "handle" in warning] == [
        "2 stacks are known by their handle only: page_owner printed it in place of the stack, and no file has both"
    ]


def test_a_comm_cannot_fake_a_handle(machine: Callable[..., Path], tmp_path: Path) -> None:
    def lying(pfn: int) -> bytes:
        return with_handle(pfn).replace(b"(dd)", b"(\nhandle: 7\n)")

    stacks, warnings = stacks_of(machine(FakeKernel(PAGES, record=lying), show_stacks_handles(1)), tmp_path / "x.spo")
    assert stacks == EXPECTED
    assert warnings == []


def test_without_a_list_of_stacks_they_are_printed(machine: Callable[..., Path], tmp_path: Path) -> None:
    kernel = FakeKernel(PAGES, record=with_handle)
    assert stacks_of(machine(kernel, b""), tmp_path / "x.spo")[0] == EXPECTED


def test_a_kernel_without_print_modes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "page_owner"
    path.touch()
    asked = []

    def refused(_: int, data: bytes) -> int:
        asked.append(data)
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "write", refused)
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert not prints_handles(path)
    assert asked == [HANDLE]
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert not prints_handles(tmp_path / "not there")


def test_a_copy_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "page_owner"
    path.write_bytes(page())
    assert not prints_handles(path)
    assert path.read_bytes() == page()
