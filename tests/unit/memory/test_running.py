# SPDX-License-Identifier: LGPL-2.1-or-later
"""The running kernel: what it publishes, which memory is read, and whether that agrees with debugfs."""

import lzma
import os
import struct
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from spo_trace.memory import agreement, planner, published, running
from spo_trace.memory.block_sizes import pageblock_order
from spo_trace.memory.kcore import KcoreImage
from spo_trace.memory.owner_layout import find_owners
from spo_trace.memory.problem import Problem
from spo_trace.memory.published import Published
from spo_trace.memory.running import running_kernel
from tests.dumps import (
    FIXTURE,
    changed,
    kernel_with,
    physical,
    small_dump,
    small_kernel,
    symbols_of,
    variable,
    without,
)
from tests.row_files import SWAP_PAGES, kcore_tree, plan_of
from tests.vm.memory_records import records

WANTED = ("page_owner_ops", "page_ext_size", "mem_section", "min_low_pfn", "max_pfn")


def refused() -> KcoreImage:
    raise Problem("no BPF here", "read through debugfs")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tree with the files that the small dump's kernel would have."""
    root = kcore_tree(tmp_path_factory.mktemp("root"))
    kernel = small_kernel()
    lines = [b"%016x %b %b\n" % (address, b"tTdD"[address % 4 :][:1], name) for address, name in symbols_of(kernel)]
    lines.append(b"ffffffffc0000000 t mem_section\t[module]\n")
    (root / "proc/kallsyms").write_bytes(b"".join(lines))
    start, end = (kernel.symbols.address(name) for name in ("__start_BTF", "__stop_BTF"))
    (root / "btf").write_bytes(kernel.image.read(start, end - start))
    (root / "proc/meminfo").write_bytes(b"SwapCached:     8 kB\nSwapTotal:  %d kB\n" % (4 * SWAP_PAGES))
    (root / "proc/pagetypeinfo").write_bytes(b"Page block order: 9\nPages per block:  512\n\nFree pages count\n")
    return root


@pytest.fixture
def machine(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let these files be this machine's."""
    monkeypatch.setattr(published, "_KALLSYMS", root / "proc/kallsyms")
    monkeypatch.setattr(published, "_BTF", root / "btf")
    monkeypatch.setattr(planner, "_MEMINFO", root / "proc/meminfo")
    monkeypatch.setattr(published, "_PAGETYPEINFO", root / "proc/pagetypeinfo")
    monkeypatch.setattr(running, "_IMAGES", (partial(KcoreImage, root / "proc/kcore"), refused))
    return root


@pytest.fixture
def images() -> Iterator[ExitStack]:
    with ExitStack() as images:
        yield images


def test_the_layout_is_that_of_the_dump(machine: Path, images: ExitStack) -> None:
    kernel, layout = running_kernel(images, Published(WANTED), 9)
    assert layout == find_owners(small_kernel())
    # Only what was wanted was kept, and nothing of modules.
    assert kernel.symbols.find("stack_pools") is None
    assert kernel.symbols.address("mem_section") == small_kernel().symbols.address("mem_section")


def test_the_order_of_a_pageblock_is_read_and_not_guessed(machine: Path, tmp_path: Path) -> None:
    assert pageblock_order(published._PAGETYPEINFO) == 9
    (tmp_path / "pagetypeinfo").write_bytes(b"Page block order: 10\n")
    assert pageblock_order(tmp_path / "pagetypeinfo") == 10
    assert pageblock_order(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("name", "content", "message", "hint"),
    [
        ("_KALLSYMS", b"0000000000000000 D mem_section\n", "hides the kernel's addresses", "kptr_restrict"),
        ("_KALLSYMS", b"ffffffff81000000 T _stext\n", "hides the kernel's addresses", "debugfs"),
        ("_KALLSYMS", b"ffffffff81000000 D mem_section\n", "symbols lack variables", "CONFIG_KALLSYMS_ALL=y"),
        ("_BTF", None, r"the kernel has no types \(BTF\) in /", "CONFIG_DEBUG_INFO_BTF=y"),
        ("_BTF", b"x" * 100, "types and symbols cannot be read", "CONFIG_DEBUG_INFO_BTF=y"),
    ],
)
def test_what_the_kernel_does_not_publish(
    machine: Path,
    images: ExitStack,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: bytes | None,
    message: str,
    hint: str,
) -> None:
    monkeypatch.setattr(published, name, tmp_path / "file")
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    with pytest.raises(Problem, match=message) as caught:
        running_kernel(images, Published(WANTED), 9)
    assert caught.value.hint is not None and hint in caught.value.hint


def test_both_refusals_are_named(machine: Path, images: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_IMAGES", (partial(KcoreImage, machine / "none"), refused))
    with pytest.raises(Problem, match=r"there is no .*; no BPF here") as caught:
        running_kernel(images, Published(WANTED), 9)
    assert caught.value.hint == "read through debugfs"


def test_another_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((*real[:4], "ppc64le")))
    with pytest.raises(Problem, match="on ppc64le"):
        Published()


class Debugfs:
    """Stand in for reads of page_owner: positions are PFNs, and a read returns the next record."""

    def __init__(self, text: bytes) -> None:
        self.records = records(text, "page_owner")
        self.numbers = sorted(self.records)
        self.reads = 0

    def read_at(self, fd: int, position: int) -> bytes:
        self.reads += 1
        at = bisect_left(self.numbers, position)
        if at == len(self.numbers):
            return b""
        return b"Page allocated via order " + self.records[self.numbers[at]] + b"\n"


@pytest.fixture
def debugfs(monkeypatch: pytest.MonkeyPatch) -> Debugfs:
    """Return the debugfs of the small dump's machine: the records that it printed before and after the dump."""
    found = Debugfs(lzma.decompress((FIXTURE / "page_owner.xz").read_bytes()))
    monkeypatch.setattr(agreement, "_read_at", found.read_at)
    return found


def test_a_kernels_text_agrees_with_its_memory(debugfs: Debugfs) -> None:
    kernel = small_kernel()
    found = agreement.compare(kernel, find_owners(kernel), os.devnull)
    assert found == agreement.Agreement(48)
    assert debugfs.reads == 96


@pytest.mark.parametrize(("member", "name"), [("ts_nsec", "ts_nsec"), ("pid", "pid"), ("handle", "frames")])
def test_a_difference_is_named(debugfs: Debugfs, member: str, name: str) -> None:
    layout = find_owners(small_kernel())
    section = next(iter(agreement._Pages(small_kernel(), layout)._sections.values()))
    assert section.page_ext is not None
    pfn = debugfs.numbers[0]
    at = section.page_ext + layout.ext_bytes * pfn + layout.owner + getattr(layout, member)
    dump = changed(small_dump(), physical(at), struct.pack("<I", 77))
    found = agreement.compare(kernel_with(dump), layout, os.devnull)
    assert found == agreement.Agreement(1, f"PFN {pfn:#x}: {name}")


def test_records_that_change_meanwhile_are_left_out(debugfs: Debugfs, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_at(fd: int, position: int) -> bytes:
        return debugfs.read_at(fd, position).replace(b", ts ", b", ts %d" % debugfs.reads)

    monkeypatch.setattr(agreement, "_read_at", read_at)
    kernel = small_kernel()
    assert agreement.compare(kernel, find_owners(kernel), os.devnull) == agreement.Agreement(0)


def answer(root: Path, capsys: pytest.CaptureFixture[str], page_owner: str = os.devnull) -> list[str]:
    fd = os.open(root / "plan", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    planner.main([str(fd), page_owner])
    return capsys.readouterr().out.splitlines()


def test_the_plan_is_that_of_the_machine(machine: Path, debugfs: Debugfs, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(machine, capsys) == ["compared", "48"]
    assert (machine / "plan").read_bytes() == plan_of(machine)


def test_without_debugfs_the_answer_tells_why(
    machine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "none")
    assert answer(machine, capsys, path) == ["not compared", f"{path} cannot be read: No such file or directory"]


def test_no_steady_record_is_no_agreement(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(machine, capsys) == ["different", "no record stayed the same meanwhile"]


def test_a_problem_has_a_hint(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(running, "_IMAGES", (refused,))
    assert answer(machine, capsys) == ["problem", "no BPF here", "read through debugfs"]


class Plans:
    """Make the plans of a series, one after the other."""

    def __init__(self, place: Path) -> None:
        self.planner = planner.Planner()
        self._place, self._number = place, 0

    def next(self) -> tuple[planner.Answer, bytes]:
        """Return the answer and the plan."""
        self._number += 1
        path = self._place / str(self._number)
        with path.open("wb") as file:
            answer = self.planner.plan(file.fileno(), os.devnull)
        return answer, path.read_bytes()


@pytest.fixture
def plans(machine: Path, debugfs: Debugfs, tmp_path: Path) -> Plans:
    return Plans(tmp_path)


def test_a_series_reads_symbols_and_types_once_and_compares_a_plan_once(
    plans: Plans, machine: Path, debugfs: Debugfs, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = plans.next()
    assert first == (("compared", "48"), plan_of(machine))
    # GIVEN files that could not be read again
    for name in ("_KALLSYMS", "_BTF", "_PAGETYPEINFO"):
        monkeypatch.setattr(published, name, machine / "none")
    # THEN
    assert plans.next() == first
    assert debugfs.reads == 96


def onlined(machine: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the machine have more memory than before."""
    dump = changed(small_dump(), variable("max_pfn"), struct.pack("<Q", find_owners(small_kernel()).max_pfn + 512))
    monkeypatch.setattr(running, "_IMAGES", (partial(KcoreImage, kcore_tree(place, dump) / "proc/kcore"),))


def swapped_off(machine: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the machine have no swap areas."""
    (place / "meminfo").write_bytes(b"SwapTotal:  0 kB\n")
    monkeypatch.setattr(planner, "_MEMINFO", place / "meminfo")


@pytest.mark.parametrize(
    ("change", "line"), [(onlined, b"max_pfn 209dd"), (swapped_off, b"swap_most 100")], ids=["memory", "swap"]
)
def test_no_plan_outlives_what_it_describes(
    plans: Plans,
    machine: Path,
    debugfs: Debugfs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path, Path, pytest.MonkeyPatch], None],
    line: bytes,
) -> None:
    # GIVEN a series, in which the machine changes
    _, before = plans.next()
    change(machine, tmp_path, monkeypatch)
    # WHEN the next plan is made
    answer, after = plans.next()
    # THEN it is that of the machine as it is now, and debugfs is compared with it
    assert line not in before.split(b"\n")
    assert line in after.split(b"\n")
    assert answer[0] == "compared"
    assert debugfs.reads > 2 * 48 + 40


def test_the_ranges_of_kcore_are_those_of_now(
    plans: Plans, machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, before = plans.next()
    # GIVEN a range less, so that all that follow are elsewhere in the file
    dump = without(small_dump(), variable("gfpflag_names"))
    monkeypatch.setattr(running, "_IMAGES", (partial(KcoreImage, kcore_tree(tmp_path, dump) / "proc/kcore"),))
    answer, after = plans.next()
    assert after == plan_of(tmp_path) != before
    assert answer == ("compared", "48")


def test_a_difference_in_a_later_plan_is_noticed(
    plans: Plans, machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert plans.next()[0] == ("compared", "48")
    onlined(machine, tmp_path, monkeypatch)
    monkeypatch.setattr(agreement, "_read_at", lambda fd, position: b"")
    nothing = ("different", "no record stayed the same meanwhile")
    # A plan that did not agree is compared again.
    assert [plans.next()[0], plans.next()[0]] == [nothing, nothing]


def test_a_plan_that_could_not_be_compared_is_compared_later(plans: Plans, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "devnull", "/nowhere")
        assert plans.next()[0][0] == "not compared"
    assert plans.next()[0] == ("compared", "48")
