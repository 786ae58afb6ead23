# SPDX-License-Identifier: LGPL-2.1-or-later
"""The running kernel: what it publishes, which memory is read, and whether that agrees with debugfs."""

import lzma
import os
import struct
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from spo_trace.memory import agreement, planner, running
from spo_trace.memory.kcore import KcoreImage
from spo_trace.memory.owner_layout import find_owners
from spo_trace.memory.problem import Problem
from spo_trace.memory.running import pageblock_order, running_kernel
from tests.dumps import FIXTURE, changed, kernel_with, physical, small_dump, small_kernel, symbols_of
from tests.row_files import kcore_tree, plan_of
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
    (root / "proc/pagetypeinfo").write_bytes(b"Page block order: 9\nPages per block:  512\n\nFree pages count\n")
    return root


@pytest.fixture
def machine(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let these files be this machine's."""
    monkeypatch.setattr(running, "_KALLSYMS", root / "proc/kallsyms")
    monkeypatch.setattr(running, "_BTF", root / "btf")
    monkeypatch.setattr(running, "_PAGETYPEINFO", root / "proc/pagetypeinfo")
    monkeypatch.setattr(running, "_IMAGES", (partial(KcoreImage, root / "proc/kcore"), refused))
    return root


@pytest.fixture
def images() -> Iterator[ExitStack]:
    with ExitStack() as images:
        yield images


def test_the_layout_is_that_of_the_dump(machine: Path, images: ExitStack) -> None:
    kernel, layout = running_kernel(images, WANTED)
    assert layout == find_owners(small_kernel())
    # Only what was wanted was kept, and nothing of modules.
    assert kernel.symbols.find("stack_pools") is None
    assert kernel.symbols.address("mem_section") == small_kernel().symbols.address("mem_section")


def test_the_order_of_a_pageblock_is_read_and_not_guessed(machine: Path, tmp_path: Path) -> None:
    assert pageblock_order() == 9
    (tmp_path / "pagetypeinfo").write_bytes(b"Page block order: 10\n")
    assert pageblock_order(tmp_path / "pagetypeinfo") == 10
    assert pageblock_order(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("name", "content", "message", "hint"),
    [
        ("_KALLSYMS", b"0000000000000000 D mem_section\n", "hides the kernel's addresses", "kptr_restrict"),
        ("_KALLSYMS", b"ffffffff81000000 T _stext\n", "hides the kernel's addresses", "debugfs"),
        ("_KALLSYMS", b"ffffffff81000000 D mem_section\n", "symbols lack variables", "CONFIG_KALLSYMS_ALL=y"),
        ("_BTF", None, "types and symbols cannot be read", "CONFIG_DEBUG_INFO_BTF=y"),
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
    monkeypatch.setattr(running, name, tmp_path / "file")
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    with pytest.raises(Problem, match=message) as caught:
        running_kernel(images, WANTED)
    assert caught.value.hint is not None and hint in caught.value.hint


def test_both_refusals_are_named(machine: Path, images: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_IMAGES", (partial(KcoreImage, machine / "none"), refused))
    with pytest.raises(Problem, match=r"there is no .*; no BPF here") as caught:
        running_kernel(images, WANTED)
    assert caught.value.hint == "read through debugfs"


def test_another_architecture(images: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((*real[:4], "ppc64le")))
    with pytest.raises(Problem, match="on ppc64le"):
        running_kernel(images)


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
    swap_most = b"swap_most "
    lines, expected = ((machine / "plan").read_bytes().split(b"\n"), plan_of(machine).split(b"\n"))
    # The swap areas are those of the machine that runs the test.
    assert [line for line in lines if not line.startswith(swap_most)] == [
        line for line in expected if not line.startswith(swap_most)
    ]


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
