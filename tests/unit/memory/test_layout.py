# SPDX-License-Identifier: LGPL-2.1-or-later
"""Layouts are found by BTF or by size, and used only if they agree with what debugfs prints."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from spo_trace.memory.btf import Btf
from spo_trace.memory.layout import DEPOTS, Layout, find_layout
from spo_trace.memory.problem import Problem
from spo_trace.memory.symbols import KernelSymbols
from spo_trace.probes.loader import layout_checks
from spo_trace.probes.loader.layout_checks import check_layout, read_owner, symbols_in, take_samples
from tests.unit.memory.btf_data import kernel_btf
from tests.unit.probes.fake_kernel import VMEMMAP, FakeKernel, Owner

NEWEST = DEPOTS[0]
PFN = 0x108


@pytest.fixture(autouse=True)
def x86(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend to run on the machine of the fake kernel."""
    run_on(monkeypatch, "x86_64")


def run_on(monkeypatch: pytest.MonkeyPatch, machine: str) -> None:
    monkeypatch.setattr("os.uname", lambda: os.uname_result(("Linux", "host", "7.2", "#1", machine)))


def line(name: str, address: int) -> bytes:
    """Return a line of /proc/kallsyms."""
    return b"%016x T %b\n" % (address, name.encode())


def kernel(owner: Owner | None = None, **options: object) -> FakeKernel:
    """Return a kernel in which page frame PFN has an owner."""
    fake = FakeKernel(options.pop("depot", NEWEST), **options)  # type: ignore[arg-type]
    fake.own(PFN, owner or Owner())
    return fake


@pytest.fixture
def debugfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, dict[int, bytes]]]:
    """Return a descriptor, and the records that reading it returns, by page frame."""
    records: dict[int, bytes] = {}
    monkeypatch.setattr(layout_checks, "_pread", lambda _, position: _at(records, position))
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd, records
    os.close(fd)


def _at(records: dict[int, bytes], position: int) -> bytes:
    return next((records[pfn] for pfn in sorted(records) if pfn >= position), b"")


@pytest.mark.parametrize("btf", [None, Btf(kernel_btf())], ids=["by size", "by BTF"])
def test_a_page_is_found_in_memory(btf: Btf | None) -> None:
    fake = kernel(Owner(b"a b\n", 12, 11, 99, 3))
    layout = find_layout(fake.symbols(), btf, fake)
    assert (layout.vmemmap, layout.ext_bytes, layout.owner_offset, layout.section_shift) == (VMEMMAP, 72, 8, 15)
    assert (layout.head_bit, layout.order_offset) == ((6, 64) if btf else (0, 0))
    found = read_owner(layout, fake, PFN)
    assert found is not None
    assert found.owner == (3, 12, 11, b"a b\n", 99)
    assert read_owner(layout, fake, PFN + 1) is None
    assert read_owner(layout, fake, 1 << 20) is None


@pytest.mark.parametrize("depot", DEPOTS, ids=lambda depot: f"{depot.symbol} {depot.pool_bits} {depot.pool_bias}")
def test_each_stack_depot_is_recognised(depot: object, debugfs: tuple[int, dict[int, bytes]]) -> None:
    fake = kernel(depot=depot)
    for number in range(1, 8):
        fake.own(PFN + number, Owner(ts_nsec=number))
    fd, records = debugfs
    records |= {pfn: fake.text(pfn) for pfn in fake.owners}
    samples = take_samples(fd, PFN + 48)
    layout = find_layout(fake.symbols(), None, fake)
    assert check_layout(layout, fake.symbols(), fake, samples, fd) == len(samples) > 0
    assert (layout.pool_mask, layout.record_entries) == ((1 << depot.pool_bits) - 1, depot.record[2])  # type: ignore[attr-defined]


def test_an_owner_must_be_the_one_that_debugfs_prints(debugfs: tuple[int, dict[int, bytes]]) -> None:
    fake = kernel()
    fd, records = debugfs
    records[PFN] = fake.text(PFN).replace(b"ts 123456789 ns", b"ts 123456780 ns")
    samples = take_samples(fd, PFN + 1)
    layout = find_layout(fake.symbols(), None, fake)
    with pytest.raises(Problem, match="the owner of page frame 0x108 in kernel memory is not"):
        check_layout(layout, fake.symbols(), fake, samples, fd)


def test_a_page_that_changed_owners_is_ignored(debugfs: tuple[int, dict[int, bytes]]) -> None:
    fake = kernel()
    fake.own(PFN + 9, Owner(b"gone"))
    fd, records = debugfs
    records |= {pfn: fake.text(pfn) for pfn in fake.owners}
    samples = take_samples(fd, PFN + 12)
    assert len(samples) == 2
    fake.free(PFN + 9)
    del records[PFN + 9]
    assert check_layout(find_layout(fake.symbols(), None, fake), fake.symbols(), fake, samples, fd) == 1


@pytest.mark.parametrize(
    ("changed", "raises"),
    [
        ({}, True),
        # Some pages change between the two reads.
        ({"pages": 2}, True),
        ({"pages": 5}, False),
        ({"page_bytes": 56}, False),
        ({"head_bit": 5}, False),
        ({"order_offset": 65}, False),
    ],
    ids=str,
)
def test_struct_page_must_have_the_flags_that_debugfs_prints(
    debugfs: tuple[int, dict[int, bytes]], changed: dict[str, int], raises: bool
) -> None:
    fake = kernel()
    for number in range(8):
        fake.own(PFN + 7 * number, Owner(ts_nsec=number, order=2))
    fd, records = debugfs
    records |= {pfn: fake.text(pfn) for pfn in fake.owners}
    samples = take_samples(fd, PFN + 50)
    assert len(samples) == 8
    layout = find_layout(fake.symbols(), Btf(kernel_btf()), fake)
    for number in range(changed.pop("pages", 0)):
        fake.bytes_at[VMEMMAP + (PFN + 7 * number) * 64 + 1] ^= 1
    for name, value in changed.items():
        setattr(layout, name, value)
    if raises:
        assert check_layout(layout, fake.symbols(), fake, samples, fd) == 8
    else:
        with pytest.raises(Problem, match=r"struct page was not found: only \d of 8 pages"):
            check_layout(layout, fake.symbols(), fake, samples, fd)


def test_another_stack_is_refused(debugfs: tuple[int, dict[int, bytes]]) -> None:
    fake = kernel()
    fd, records = debugfs
    records[PFN] = fake.text(PFN).replace(b"do_swap_page+0x1", b"do_swap_page+0x2")
    samples = take_samples(fd, PFN + 1)
    assert symbols_in(samples) == {"alloc_pages_mpol", "do_swap_page"}
    with pytest.raises(Problem, match="the stack of page frame 0x108 in kernel memory is not"):
        check_layout(find_layout(fake.symbols(), None, fake), fake.symbols(), fake, samples, fd)


def test_an_unknown_stack_depot_is_refused(debugfs: tuple[int, dict[int, bytes]]) -> None:
    fake = kernel()
    fd, records = debugfs
    records[PFN] = fake.text(PFN)
    samples = take_samples(fd, PFN + 1)
    without = KernelSymbols(
        [line(name, fake.symbols().address(name)) for name in fake.symbols().names() - {"stack_pools"}],
        fake.symbols().names(),
    )
    with pytest.raises(Problem, match="the layout of the kernel's stack depot is unknown"):
        check_layout(find_layout(without, None, fake), without, fake, samples, fd)


def test_no_page_to_compare_is_an_error(debugfs: tuple[int, dict[int, bytes]]) -> None:
    fake = kernel()
    with pytest.raises(Problem, match="no sample page could be compared"):
        check_layout(find_layout(fake.symbols(), None, fake), fake.symbols(), fake, [], debugfs[0])


def test_an_owner_of_another_size_needs_btf() -> None:
    fake = kernel(owner_size=72)
    with pytest.raises(Problem, match="the layout of a struct page_owner of 72 bytes is unknown"):
        find_layout(fake.symbols(), None, fake)
    with pytest.raises(Problem, match="BTF and page_owner_ops disagree"):
        find_layout(fake.symbols(), Btf(kernel_btf()), fake)


def test_another_vmemmap_is_refused() -> None:
    fake = kernel()
    address = fake.symbols().address("vmemmap_base")
    fake.bytes_at[address] = 0xFF
    with pytest.raises(Problem, match="the array of struct page cannot be found"):
        find_layout(fake.symbols(), None, fake)


def test_a_missing_symbol_is_named() -> None:
    fake = kernel()
    lines = [line(name, fake.symbols().address(name)) for name in fake.symbols().names() - {"page_ext_size"}]
    with pytest.raises(Problem) as caught:
        find_layout(KernelSymbols(lines, fake.symbols().names()), None, fake)
    assert caught.value.message.startswith("/proc/kallsyms has no page_ext_size")
    assert "CONFIG_KALLSYMS_ALL" in (caught.value.hint or "")


def test_hidden_addresses_are_an_error() -> None:
    with pytest.raises(Problem, match="hides the kernel's addresses"):
        KernelSymbols([line("mem_section", 0)], {"mem_section"})


def test_other_machines_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = kernel()
    run_on(monkeypatch, "riscv64")
    with pytest.raises(Problem, match="cannot be found on riscv64"):
        find_layout(fake.symbols(), None, fake)


def test_events_need_no_memory() -> None:
    layout = find_layout(kernel().symbols(), Btf(kernel_btf()), None)
    assert (layout.owners, layout.swap_offset, layout.order_offset) == (0, 0x28, 64)
    assert (layout.vma_mm, layout.mm_owner, layout.task_comm, layout.swapbacked_bit) == (0x10, 0x1A0, 0xBC0, 17)


def test_the_mapping_process_needs_all_of_its_offsets_in_btf(monkeypatch: pytest.MonkeyPatch) -> None:
    btf = Btf(kernel_btf())
    monkeypatch.setattr(btf, "enumerator_of", lambda _, name: None if name == "PG_swapbacked" else 6)
    layout = find_layout(kernel().symbols(), btf, None)
    assert (layout.vma_mm, layout.mm_owner, layout.task_comm) == (0, 0, 0)


def test_the_layout_is_the_c_structs() -> None:
    source = (Path(__file__).parents[3] / "bpf/swap_owner.c").read_text()
    body = source.split("struct layout {")[1].split("}")[0].replace("u64", "").replace(";", ",")
    names = [name.strip() for name in body.split(",") if name.strip()]
    assert names == list(Layout.__annotations__)
    layout = Layout()
    layout.ready, layout.swapbacked_bit = 1, 9
    packed = struct.unpack(f"={len(names)}Q", layout.pack())
    assert (packed[0], packed[names.index("page_bytes")], packed[-1]) == (1, 64, 9)
