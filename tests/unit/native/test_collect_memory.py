# SPDX-License-Identifier: LGPL-2.1-or-later
"""The collector on kernel memory: the rows of a real kernel's memory make the capture that Python prints of it."""

import random
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from spo_trace.memory.capture import MemoryCapture
from spo_trace.memory.owner_layout import find_owners
from spo_trace.memory.owners import collected_owners
from spo_trace.memory.problem import Problem
from spo_trace.memory.swap_layout import find_swap_owners
from tests.collectors import SANITIZE, compile_collector
from tests.dumps import Dump, changed, kernel_with, physical, small_dump, small_kernel, without
from tests.row_files import kcore_tree, plan_of, read_rows

Command = Sequence[str]
FILES = ("page_owner", "swap_page_owner", "show_stacks_handles", "show_handles")


@pytest.fixture(scope="module")
def in_c(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Return the command of a collector with sanitizers."""
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    return compile_collector(tmp_path_factory.mktemp("collector") / "spo-collect", *SANITIZE)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tree with the memory of the small dump."""
    return kcore_tree(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="module")
def plan(root: Path) -> bytes:
    return plan_of(root)


def texts(capture: MemoryCapture) -> dict[str, bytes]:
    return {name: b"".join(getattr(capture, name)()) for name in FILES}


def taken(command: Command, root: Path, target: Path, dump: Dump | None = None) -> MemoryCapture:
    """Collect by a plan of the memory in a tree, and return the capture of what was read."""
    done = read_rows(command, root, plan_of(root), target)
    assert (done.returncode, done.stderr) == (0, b"")
    return MemoryCapture(kernel_with(dump or small_dump()), collected_owners(target))


def test_the_capture_is_that_of_the_reader_in_python(in_c: Command, root: Path, tmp_path: Path) -> None:
    # WHEN the memory is read by a plan
    capture = taken(in_c, root, tmp_path / "x")
    # THEN each file is, byte for byte, what Python prints of the same memory
    expected = MemoryCapture(small_kernel())
    assert texts(capture) == texts(expected)
    assert (capture.unread_pages, capture.swap_count) == (0, expected.swap_count)
    # AND the handles are the kernel's
    assert (tmp_path / "x/handles").read_bytes() == b"kernel\n"
    # AND a row takes little memory
    rows = texts(capture)["page_owner"].count(b"\nPFN ")
    assert (tmp_path / "x/page_owner.rows").stat().st_size < 32 * rows


def test_what_cannot_be_read_is_counted(in_c: Command, tmp_path: Path) -> None:
    # GIVEN memory without a page of page_ext, one of struct page, and a leaf of the xarray
    layout = find_owners(small_kernel())
    first = next(iter(_sections()))
    lost = [first[0] + layout.ext_bytes * 300, first[1] + layout.page_bytes * 9000, _leaf()]
    dump = without(small_dump(), *map(physical, lost))

    capture = taken(in_c, kcore_tree(tmp_path / "root", dump), tmp_path / "x", dump)

    expected = MemoryCapture(kernel_with(dump))
    assert texts(capture) == texts(expected)
    assert capture.unread_pages == expected.unread_pages > 4096 // layout.ext_bytes
    assert capture.swap_count == expected.swap_count
    assert capture.swap_count.lost > 0


def _sections() -> list[tuple[int, int]]:
    from spo_trace.memory.sections import present_sections

    layout = find_owners(small_kernel())
    found = present_sections(small_kernel().image, layout.sections, layout.max_pfn)
    return [(one.page_ext, one.map_base) for one in found if one.page_ext is not None]


def _leaf() -> int:
    """Return the address of the first leaf of the xarray."""
    layout, image = find_swap_owners(small_kernel()), small_kernel().image
    node = image.u64(layout.head) - 2
    while image.read(node + layout.node_shift, 1) != b"\0":
        node = next(filter(None, (image.u64(node + layout.node_slots + 8 * n) for n in range(64)))) - 2
    return node


def test_a_memory_whose_sections_cannot_be_read_is_an_error(in_c: Command, root: Path, tmp_path: Path) -> None:
    plan = re.sub(rb"(?<=\nsection_roots )[0-9a-f]+", b"1000", plan_of(root))
    done = read_rows(in_c, root, plan, tmp_path / "x")
    assert done.returncode == 1
    assert (tmp_path / "x/page_owner.err").read_bytes() == (
        b"EIO: the kernel's list of memory sections cannot be read\n"
    )


def test_without_kcore_the_reason_is_kept(in_c: Command, plan: bytes, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    done = read_rows(in_c, tmp_path / "root", plan, tmp_path / "x")
    assert done.returncode == 1
    assert (tmp_path / "x/page_owner.err").read_bytes().startswith(b"ENOENT: ")


@pytest.mark.parametrize(
    ("pattern", "text", "where"),
    [
        (rb"plan 1", b"plan 2", b"its first line"),
        (rb"memory kcore", b"memory core", b"memory"),
        (rb"max_pfn ", b"max_pfm ", b"max_pfn"),
        (rb"(?<=max_pfn )[0-9a-f]+", b"10000000001", b"max_pfn"),
        (rb"(?<=max_pfn )[0-9a-f]+", b"-", b"max_pfn"),
        (rb"(?<=max_pfn )[0-9a-f]+", b"00000000000000001", b"max_pfn"),
        (rb"(?<=ext_bytes )[0-9a-f]+", b"20", b"page_ext"),
        (rb"(?<=page_bytes )[0-9a-f]+", b"10", b"struct page"),
        (rb"(?<=section_pages )[0-9a-f]+", b"8001", b"the sections"),
        (rb"(?<=sections_per_root )[0-9a-f]+", b"0", b"the sections"),
        (rb"(?<=pageblock_bits )[0-9a-f]+", b"3", b"the sections"),
        (rb"(?<=pageblock_order )[0-9a-f]+", b"10", b"the sections"),
        (rb"(?<=node_slot_count )[0-9a-f]+", b"30", b"swap_page_owner"),
        (rb"(?<=swap_comm )[0-9a-f]+", b"fff", b"swap_page_owner"),
        (rb"(?<=swap_most )[0-9a-f]+", b"-", b"swap_page_owner"),
        (rb"(?<=segments )[0-9a-f]+", b"1ffff", b"segments"),
        (rb"(?<=segments )[0-9a-f]+", b"1", b"its end"),
        (rb"end\n", b"", b"its end"),
        (rb"end\n", b"end\n\n", b"its end"),
    ],
)
def test_a_damaged_plan_is_refused(
    in_c: Command, root: Path, plan: bytes, pattern: bytes, text: bytes, where: bytes, tmp_path: Path
) -> None:
    damaged, count = re.subn(pattern, text, plan, count=1)
    assert count
    done = read_rows(in_c, root, damaged, tmp_path / "x")
    assert done.returncode == 1
    assert done.stderr.startswith(b"spo-collect: the plan is damaged at " + where)
    assert not (tmp_path / "x").exists()


def test_damaged_rows_are_refused(in_c: Command, root: Path, tmp_path: Path) -> None:
    capture = taken(in_c, root, tmp_path / "x")
    path = tmp_path / "x/page_owner.rows"
    whole = path.read_bytes()
    choose = random.Random(1)
    cases = [whole[: choose.randrange(len(whole))] for _ in range(10)]
    cases += [whole[:at] + bytes([whole[at] ^ 0x81]) + whole[at + 1 :] for at in (0, 8, 12, 16, 20, 24, 25)]
    for damaged in cases:
        path.write_bytes(damaged)
        with pytest.raises(Problem, match=r"page_owner.rows is damaged"):
            list(capture.page_owner())


@pytest.mark.parametrize("seed", range(8))
def test_damaged_numbers_of_a_plan_end(in_c: Command, root: Path, plan: bytes, seed: int, tmp_path: Path) -> None:
    choose = random.Random(seed)
    lines = plan.split(b"\n")
    for _ in range(3):
        at = choose.randrange(2, len(lines) - 2)
        value = choose.choice((0, 1, 7, 8, 0xFF, 0xFFF, 1 << 40, (1 << 64) - 1, choose.getrandbits(64)))
        lines[at] = re.sub(rb"[0-9a-f]+$", b"%x" % value, lines[at])
    done = read_rows(in_c, root, b"\n".join(lines), tmp_path / "x")
    assert done.returncode in (0, 1)
    assert b"Sanitizer" not in done.stderr and b"runtime error" not in done.stderr


def test_a_tree_that_refers_to_itself_ends(in_c: Command, tmp_path: Path) -> None:
    # GIVEN a node of which all slots refer to one leaf
    kernel = small_kernel()
    layout, image = find_swap_owners(kernel), kernel.image
    root = image.u64(layout.head) - 2
    slots = [image.u64(root + layout.node_slots + 8 * n) for n in range(64)]
    used = next(filter(None, slots))
    table = b"".join((used if slot else 0).to_bytes(8, "little") for slot in slots)
    dump = changed(small_dump(), physical(root + layout.node_slots), table)

    # THEN each entry is read
    capture = taken(in_c, kcore_tree(tmp_path / "root", dump), tmp_path / "x", dump)
    assert capture.swap_count.records > 0
