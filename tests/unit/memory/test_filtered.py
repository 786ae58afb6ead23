# SPDX-License-Identifier: LGPL-2.1-or-later
"""Dumps with parts left out or changed: what is missing is counted or explained, and never taken for zeros."""

import re
import struct

import pytest

from spo_trace.memory.capture import MemoryCapture
from spo_trace.memory.kernel import Kernel, types_in
from spo_trace.memory.owner_layout import find_owners
from spo_trace.memory.problem import Problem
from spo_trace.memory.sections import present_sections
from spo_trace.memory.symbol_table import SymbolTable
from tests.dumps import changed, kernel_with, physical, small_dump, small_kernel, symbols_of, variable, without

ENTRIES = 8535


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return small_kernel()


def node_at(kernel: Kernel, *path: int) -> int:
    """Return the virtual address of a node of swap_page_owners, by the slots on the way from the root."""
    types, image = kernel.types, kernel.image
    node = image.u64(kernel.symbols.address("swap_page_owners") + types.offset("xarray", "xa_head"))
    for slot in path:
        node = image.u64(node - 2 + types.offset("xa_node", "slots") + 8 * slot)
    return node - 2


@pytest.mark.parametrize("path", [(), (0,)])
@pytest.mark.parametrize("as_zeros", [False, True])
def test_missing_nodes_of_the_xarray_are_lost_and_not_empty(
    kernel: Kernel, path: tuple[int, ...], as_zeros: bool
) -> None:
    # GIVEN a dump without one node, as a hole or as zeros
    at = physical(node_at(kernel, *path))
    size = kernel.types.size("xa_node")
    dump = changed(small_dump(), at, bytes(size)) if as_zeros else without(small_dump(), at)

    # THEN the records that are left are counted, and so is what is lost
    count = MemoryCapture(kernel_with(dump)).swap_count
    assert count.lost >= 1
    assert count.records < ENTRIES
    assert count.used == ENTRIES


def test_a_filtered_record_has_no_owner(kernel: Kernel) -> None:
    types, image = kernel.types, kernel.image
    leaf = node_at(kernel, 0, 0)
    while image.read(leaf + types.offset("xa_node", "shift"), 1) != b"\0":
        leaf = next(filter(None, (image.u64(leaf + types.offset("xa_node", "slots") + 8 * n) for n in range(64)))) - 2
    record = next(filter(None, (image.u64(leaf + types.offset("xa_node", "slots") + 8 * n) for n in range(64))))
    dump = changed(small_dump(), physical(record), bytes(types.size("swap_page_owner")))
    count = MemoryCapture(kernel_with(dump)).swap_count
    assert (count.records, count.lost) == (ENTRIES - 1, 1)


def test_a_filtered_swap_area_is_no_empty_one(kernel: Kernel) -> None:
    area = kernel.image.u64(kernel.symbols.address("swap_info"))
    used = area + kernel.types.offset("swap_info_struct", "pages")
    facts = MemoryCapture(kernel_with(changed(small_dump(), physical(used), bytes(8)))).facts
    assert "swaps" not in facts
    assert b"SwapTotal:" in facts["meminfo"]


def section_arrays(kernel: Kernel) -> tuple[int, int]:
    """Return the addresses of page_ext and of struct page of PFN 0."""
    sections = find_owners(kernel).sections
    first = next(present_sections(kernel.image, sections, 1 << 16))
    assert first.page_ext is not None
    return first.page_ext, first.map_base


def test_pages_whose_owners_are_missing_are_counted(kernel: Kernel) -> None:
    whole = MemoryCapture(kernel)
    everything = len(list(whole.page_owner()))
    assert whole.unread_pages == 0
    # GIVEN a dump without three pages of page_ext, which have owners
    layout = find_owners(kernel)
    middle = section_arrays(kernel)[0] + layout.ext_bytes * 300
    dump = without(small_dump(), *(physical(middle + 4096 * n) for n in range(3)))

    capture = MemoryCapture(kernel_with(dump))
    assert len(list(capture.page_owner())) < everything
    assert capture.unread_pages == 3 * 4096 // layout.ext_bytes


def test_pages_without_struct_page_have_no_invented_flags(kernel: Kernel) -> None:
    everything = list(MemoryCapture(kernel).page_owner())
    # GIVEN a dump without the page of struct pages that has a listed PFN
    pfn = int(everything[1000].partition(b"\nPFN ")[2].split()[0], 16)
    dump = without(small_dump(), physical(section_arrays(kernel)[1] + find_owners(kernel).page_bytes * pfn))

    capture = MemoryCapture(kernel_with(dump))
    left = list(capture.page_owner())
    assert set(left) < set(everything)
    assert capture.unread_pages == len(everything) - len(left) > 0


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("page_ext_size", 0, "page_owner is not switched on"),
        ("page_ext_size", 1 << 40, "page_ext_size is damaged"),
        ("max_pfn", 1 << 60, "max_pfn is damaged"),
        ("max_pfn", 1 << 39, "larger than the dump|cannot be read"),
        ("mem_section", 0, "cannot be read|no valid range"),
    ],
)
def test_damaged_variables(name: str, value: int, message: str) -> None:
    with pytest.raises(Problem, match=message) as caught:
        MemoryCapture(kernel_with(changed(small_dump(), variable(name), struct.pack("<Q", value))))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("names", "message", "hint"),
    [
        (["page_owner_ops"], "has no page_owner, or its symbols lack variables", "CONFIG_KALLSYMS_ALL=y"),
        (["mem_section"], "FLATMEM", "CONFIG_SPARSEMEM=y"),
        (["stack_pools", "stack_slabs"], "symbols lack stack_slabs", "CONFIG_KALLSYMS_ALL=y"),
        (["gfpflag_names"], "symbols lack gfpflag_names", "page_owner"),
    ],
)
def test_missing_symbols(kernel: Kernel, names: list[str], message: str, hint: str) -> None:
    gone = {name.encode() for name in names}
    left = SymbolTable(one for one in symbols_of(kernel) if one[1] not in gone)
    with pytest.raises(Problem, match=message) as caught:
        MemoryCapture(kernel._replace(symbols=left))
    assert caught.value.hint is not None and hint in caught.value.hint


def test_a_memory_cgroup_that_cannot_be_read_is_unknown_and_not_none(kernel: Kernel) -> None:
    left = SymbolTable(one for one in symbols_of(kernel) if one[1] != b"memory_cgrp_subsys")
    charged = re.compile(rb"^(Charged .*)memcg (.*)$", re.MULTILINE)
    whole, unknown = (
        charged.findall(b"".join(MemoryCapture(one).page_owner())) for one in (kernel, kernel._replace(symbols=left))
    )
    assert {name for _, name in whole} == {b"/", b"live.scope", b"a b), c"}
    assert [(via, b"?") for via, _ in whole] == unknown


def test_a_kernel_without_types() -> None:
    with pytest.raises(Problem, match=r"no types \(BTF\)") as caught:
        types_in(small_kernel().image, SymbolTable([(1, b"_stext")]))
    assert caught.value.hint is not None and "CONFIG_DEBUG_INFO_BTF=y" in caught.value.hint


def test_a_kernel_that_does_not_track_swap() -> None:
    dump = changed(small_dump(), variable("swap_page_owner_inited"), bytes(4))
    tracking = MemoryCapture(kernel_with(dump)).tracking
    assert (tracking.exists, tracking.on) == (True, False)
