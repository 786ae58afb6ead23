# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owners that the collector read out of memory, as a source: the texts of a dump of the same memory."""

import gc
import shutil
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from spo_trace.collect.snapshot import collect
from spo_trace.errors import SpoTraceError
from spo_trace.formats.missing import Missing
from spo_trace.formats.reasons import Skipped
from spo_trace.formats.text import Chunks, DelimitedRecords, KernelText
from spo_trace.memory.image import Image
from spo_trace.memory.kernel import Kernel
from spo_trace.memory.planner import Planner
from spo_trace.memory.swap_layout import find_swap_owners
from spo_trace.sources import collected_memory
from spo_trace.sources.collected_memory import CollectedMemory
from spo_trace.sources.dump import DumpSource
from spo_trace.sources.memory_texts import OWNER_FILES
from spo_trace.sources.source import Source
from spo_trace.sources.unreadable import Unreadable
from tests.collectors import compile_collector
from tests.dumps import Dump, changed, kdump, kernel_with, physical, small_dump, small_kernel, variable, without
from tests.row_files import kcore_tree, plan_of, read_rows


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    return compile_collector(tmp_path_factory.mktemp("collector") / "spo-collect")


class FakePlanner(Planner):
    """Take a kernel for the running one."""

    def __init__(self, kernel: Callable[[], Kernel]) -> None:
        super().__init__()
        self._kernel = kernel

    def kernel(self, images: ExitStack, pageblock_order: int | None) -> Kernel:
        """Return the kernel."""
        return self._kernel()


def source_of(
    program: tuple[str, ...], dump: Dump, place: Path, monkeypatch: pytest.MonkeyPatch, plan: bytes | None = None
) -> CollectedMemory:
    """Collect the owners in a dump's memory, and return the source."""
    root = kcore_tree(place / "root", dump)
    read_rows(program, root, plan or plan_of(root), place / "capture")
    monkeypatch.setattr(collected_memory, "Planner", lambda: FakePlanner(lambda: kernel_with(dump)))
    return CollectedMemory(place / "capture")


def content(text: KernelText | None) -> bytes:
    assert text is not None
    match text.content:
        case Chunks(pieces):
            return b"".join(pieces)
        case DelimitedRecords(runs):
            return b"".join(bytes(run.text) for run in runs)
    raise AssertionError(text.content)


def test_the_texts_are_those_of_a_dump(
    program: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_of(program, small_dump(), tmp_path, monkeypatch)
    (tmp_path / "vmcore").write_bytes(kdump(small_dump()))
    dump = DumpSource([str(tmp_path / "vmcore")])
    for name in OWNER_FILES:
        text = source.open(name)
        assert content(text) == content(dump.open(name)), name
        assert text is not None and not text.outcome.skipped
        # The collector read all of these but stacks, which never change.
        assert (text.outcome.seconds is not None) == (name != "show_stacks_handles")
    assert source.open("show_stacks") is None
    assert source.why_missing("show_stacks").code is Missing.NOT_IN_CAPTURE
    assert content(source.open("handles")) == b"kernel\n"


def test_swap_out_of_a_dump_has_the_origin_memory(tmp_path: Path) -> None:
    (tmp_path / "vmcore").write_bytes(kdump(small_dump()))
    snap = collect(DumpSource([str(tmp_path / "vmcore")]), tmp_path / "x.spo", jobs=1)
    assert set(snap.swap["origin"]) == {"memory"}
    assert (snap.meta.method, snap.meta.swap_owner.origin) == ("dump", "memory")


def test_what_could_not_be_read_is_counted(
    program: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN memory without the root of the xarray
    root = small_kernel().image.u64(find_swap_owners(small_kernel()).head) - 2
    dump = without(small_dump(), physical(root))
    source: Source = source_of(program, dump, tmp_path, monkeypatch)
    text = source.open("swap_page_owner")
    assert text is not None
    assert (text.outcome.skipped, text.note) == (
        {Skipped.NOT_READABLE: 8535},
        "0 of 8,535 owners of swap; the rest could not be read",
    )


def test_a_kernel_that_does_not_track_swap_says_so(
    program: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dump = changed(small_dump(), variable("swap_page_owner_inited"), bytes(4))
    source = source_of(program, dump, tmp_path, monkeypatch)
    assert source.open("swap_page_owner") is None
    assert source.why_missing("swap_page_owner").code is Missing.NOT_SWITCHED_ON


def test_memory_that_cannot_be_read_at_last_is_an_error(
    program: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(kcore_tree(tmp_path / "other"))
    (tmp_path / "root").mkdir()
    source = source_of(
        program, small_dump(), tmp_path, monkeypatch, plan.replace(b"section_roots ff", b"section_roots 00")
    )
    with pytest.raises(Unreadable, match="page_owner can't be read"):
        source.open("page_owner")


def test_damaged_memory_of_this_machine_has_another_hint_than_a_dump(
    program: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN rows that the collector wrote, and a kernel whose structures are not where they were
    source = source_of(program, small_dump(), tmp_path, monkeypatch)

    def damaged() -> Kernel:
        raise ValueError("offset 12 is outside of it")

    source._planner = FakePlanner(damaged)
    # WHEN its owners are printed
    with pytest.raises(SpoTraceError, match="kernel memory: the memory is damaged") as raised:
        source.open("page_owner")
    # THEN no dump is mentioned
    assert raised.value.hint == "read the text of debugfs with method='text'"


def test_the_kernel_is_given_up_with_the_source(
    program: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a kernel that no cycle of references keeps: watch opens its memory anew for each sample
    images: list[weakref.ref[Image]] = []
    source = source_of(program, small_dump(), tmp_path, monkeypatch)

    def running() -> Kernel:
        kernel = kernel_with(small_dump())
        images.append(weakref.ref(kernel.image))
        return kernel

    source._planner = FakePlanner(running)
    gc.disable()
    try:
        # WHEN all its texts have been read
        for name in OWNER_FILES:
            content(source.open(name))
        del source
        # THEN nothing of it is left, without the help of the garbage collector
        assert [image() for image in images] == [None]
    finally:
        gc.enable()
