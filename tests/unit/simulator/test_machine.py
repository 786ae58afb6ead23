# SPDX-License-Identifier: LGPL-2.1-or-later
"""The machine behaves like a kernel in reclaim, swap, splitting, freeing and ownership."""

from collections import Counter
from pathlib import Path

import pytest

from spo_trace.errors import SpoTraceError
from spo_trace.simulator import load_scenario, run
from tests.counting import python_calls

MACHINE = """\
seed = 5
swap_owner = {swap_owner}
format = "{format}"
[machine]
spanned_pages = 4096
reserved = [[0, 256]]
early_pages = 10
min_free_kib = 400
[[swap]]
name = "/dev/vda"
size = "{swap}"
"""
SNAPSHOT = '[[step]]\ndo = "snapshot"\nname = "{}"\n'
PAGE_OWNER = "sys/kernel/debug/page_owner"
SWAP_PAGE_OWNER = "sys/kernel/debug/swap_page_owner"
FREE_MIB = 15


def spawn(process: str, pid: int, memcg: str = "/") -> str:
    return f'[[step]]\ndo = "spawn"\nprocess = "{process}"\npid = {pid}\nmemcg = "{memcg}"\n'


def allocate(process: str, site: str, mib: int, region: str, more: str = "") -> str:
    keys = f'process = "{process}"\nsite = "{site}"\nsize = "{mib} MiB"\nregion = "{region}"\n{more}\n'
    return f'[[step]]\ndo = "allocate"\n{keys}'


def touch(process: str, region: str, more: str = "") -> str:
    return f'[[step]]\ndo = "touch"\nprocess = "{process}"\nregion = "{region}"\n{more}\n'


def on_region(do: str, region: str, more: str = "") -> str:
    return f'[[step]]\ndo = "{do}"\nregion = "{region}"\n{more}\n'


class Replayed:
    """The files of the last stage of a scenario."""

    def __init__(
        self, tmp_path: Path, steps: str, *, swap_owner: bool = True, swap: str = "32 MiB", profile: str = "F"
    ) -> None:
        path = tmp_path / "test.toml"
        head = MACHINE.format(swap_owner=str(swap_owner).lower(), swap=swap, format=profile)
        path.write_text(head + steps + SNAPSHOT.format("end"))
        for stage in run(load_scenario(path)):
            self.files = {name: b"".join(read()) for name, read in stage.files.items()}

    def records(self, name: str = PAGE_OWNER) -> list[bytes]:
        return self.files[name].split(b"\n\n")[:-1]

    def with_comm(self, comm: str, name: str = PAGE_OWNER) -> list[bytes]:
        return [record for record in self.records(name) if b"(%b), ts" % comm.encode() in record]

    def meminfo(self, name: str) -> int:
        text = self.files["proc/meminfo"].decode()
        return int(text.split(f"{name}:")[1].split()[0]) // 4


def test_page_cache_is_dropped_before_anything_is_swapped(tmp_path: Path) -> None:
    # GIVEN memory half full of unused page cache
    steps = spawn("a", 5) + allocate("a", "file-read", 8, "files") + allocate("a", "anon-fault", 4, "heap")
    # WHEN more memory is allocated than is free
    end = Replayed(tmp_path, steps + allocate("a", "anon-fault", 6, "more"))
    # THEN page cache was dropped and swap is empty
    assert end.meminfo("Cached") < 8 * 256
    assert end.meminfo("SwapFree") == end.meminfo("SwapTotal")
    assert end.files[SWAP_PAGE_OWNER] == b""


def test_dropped_page_cache_is_read_again_by_the_accessing_process(tmp_path: Path) -> None:
    steps = spawn("a", 5) + allocate("a", "file-read", 8, "files") + allocate("a", "anon-fault", 12, "heap")
    steps += on_region("free", "heap") + spawn("b", 6) + touch("b", "files")
    end = Replayed(tmp_path, steps)
    assert len(end.with_comm("a")) + len(end.with_comm("b")) == 8 * 256
    assert len(end.with_comm("b")) > 1000


def test_noswap_tmpfs_never_goes_to_swap(tmp_path: Path) -> None:
    # GIVEN a noswap file older than a heap
    steps = spawn("a", 5) + allocate("a", "tmpfs-write", 8, "/noswap/file", "swappable = false")
    # WHEN the heap outgrows the free memory
    end = Replayed(tmp_path, steps + spawn("b", 6) + allocate("b", "anon-fault", 10, "heap"))
    # THEN the heap is swapped out, the file is not, and its pages are unevictable
    assert end.with_comm("b", SWAP_PAGE_OWNER)
    assert not end.with_comm("a", SWAP_PAGE_OWNER)
    assert end.meminfo("Unevictable") == 8 * 256
    assert all(b"|unevictable|" in record for record in end.with_comm("a") if b"shmem_alloc_folio" in record)


def test_the_oldest_pages_are_swapped_first(tmp_path: Path) -> None:
    steps = spawn("old", 5) + allocate("old", "anon-fault", 6, "old heap") + spawn("new", 6)
    end = Replayed(tmp_path, steps + allocate("new", "anon-fault", 12, "new heap"))
    assert end.with_comm("old", SWAP_PAGE_OWNER)
    assert not end.with_comm("new", SWAP_PAGE_OWNER)


@pytest.mark.parametrize("swap_owner", [True, False])
def test_swapped_in_pages_keep_their_owner_only_with_the_rfc(tmp_path: Path, swap_owner: bool) -> None:
    # GIVEN a tmpfs file of dd in swap
    steps = spawn("dd", 5) + allocate("dd", "tmpfs-write", 2, "/tmp/file") + on_region("pageout", "/tmp/file")
    # WHEN cat reads it
    end = Replayed(tmp_path, steps + spawn("cat", 6) + touch("cat", "/tmp/file"), swap_owner=swap_owner)
    # THEN dd is the owner, with the mark, or cat because of its swap-in
    owner = "dd" if swap_owner else "cat"
    data = [record for record in end.with_comm(owner) if b"new_slab+" not in record]
    assert len(data) == 512
    assert all((b" ns (swapped)\n" in record) is swap_owner for record in data)
    assert all((b"swap_cache_alloc_folio+" in record) is not swap_owner for record in data)
    assert end.meminfo("SwapFree") == end.meminfo("SwapTotal")
    assert (SWAP_PAGE_OWNER in end.files) is swap_owner


def test_swap_in_reads_the_neighbours_into_the_swap_cache(tmp_path: Path) -> None:
    # GIVEN 16 pages in swap, at offsets 1 to 16
    steps = spawn("a", 5) + allocate("a", "anon-fault", 1, "heap") + on_region("pageout", "heap", 'size = "16 pages"')
    # WHEN one is read
    end = Replayed(tmp_path, steps + touch("a", "heap", 'size = "1 pages"'))
    # THEN the aligned window of 8 slots (slot 0 is the header) is in memory and still has its entries
    assert end.meminfo("SwapCached") == 7
    assert len(end.records(SWAP_PAGE_OWNER)) == 16


def test_a_write_removes_the_page_from_the_swap_cache(tmp_path: Path) -> None:
    steps = spawn("a", 5) + allocate("a", "anon-fault", 1, "heap") + on_region("pageout", "heap", 'size = "16 pages"')
    end = Replayed(tmp_path, steps + touch("a", "heap", "write = true"))
    assert end.meminfo("SwapCached") == 0
    assert end.files[SWAP_PAGE_OWNER] == b""
    assert len([record for record in end.with_comm("a") if b" ns (swapped)\n" in record]) == 16


def test_a_clean_swap_cache_page_is_reclaimed_to_its_entry(tmp_path: Path) -> None:
    steps = spawn("a", 5) + allocate("a", "anon-fault", 1, "heap") + on_region("pageout", "heap") + touch("a", "heap")
    end = Replayed(tmp_path, steps + on_region("pageout", "heap"))
    assert end.meminfo("SwapCached") == 0
    assert len(end.records(SWAP_PAGE_OWNER)) == 256


def test_a_huge_page_without_contiguous_slots_is_split(tmp_path: Path) -> None:
    # GIVEN a swap device too small for 512 aligned slots
    steps = spawn("a", 5) + allocate("a", "thp-fault", 2, "huge") + on_region("pageout", "huge")
    end = Replayed(tmp_path, steps, swap="1200 KiB")
    # THEN pages that fit are swapped out one by one, and the others have order 0 and the same owner
    assert len(end.records(SWAP_PAGE_OWNER)) == 299
    rest = [record for record in end.with_comm("a") if b"vma_alloc_anon_folio_pmd" in record]
    assert len(rest) == 512 - 299
    assert all(record.startswith(b"Page allocated via order 0,") for record in rest)
    assert len({record.split(b"\n")[0] for record in rest}) == 1


def test_exit_frees_memory_and_swap_but_not_files(tmp_path: Path) -> None:
    steps = spawn("a", 5) + allocate("a", "anon-fault", 2, "heap") + allocate("a", "tmpfs-write", 1, "/tmp/file")
    steps += allocate("a", "file-read", 1, "files") + on_region("pageout", "heap", 'size = "1 MiB"')
    end = Replayed(tmp_path, steps + '[[step]]\ndo = "exit"\nprocess = "a"\n')
    assert end.files[SWAP_PAGE_OWNER] == b""
    assert end.meminfo("AnonPages") == 0
    assert end.meminfo("Cached") == 512
    assert end.meminfo("SwapFree") == end.meminfo("SwapTotal")


def test_migration_moves_the_page_and_keeps_the_owner(tmp_path: Path) -> None:
    steps = spawn("a", 5) + allocate("a", "anon-fault", 1, "heap")
    stay = Replayed(tmp_path, steps)
    moved = Replayed(tmp_path, steps + on_region("migrate", "heap", 'size = "8 pages"\nreason = "damon"'))
    line = b"\nPage has been migrated, last migrate reason: damon\n"
    migrated = [record for record in moved.with_comm("a") if line in record]
    assert len(migrated) == 8
    first_lines = {record.split(b"\n")[0]: record.split(b"\n")[1] for record in stay.with_comm("a")}
    for record in migrated:
        first, pfn_line = record.split(b"\n")[:2]
        assert first_lines[first] != pfn_line


@pytest.mark.parametrize(("reparent", "line"), [(False, b"offline memcg x.scope"), (True, b"memcg /")])
def test_pages_of_a_removed_memcg_are_offline_or_reparented(tmp_path: Path, reparent: bool, line: bytes) -> None:
    steps = spawn("a", 5, "x.scope") + allocate("a", "anon-fault", 1, "heap")
    steps += '[[step]]\ndo = "remove_memcg"\nmemcg = "x.scope"\n'
    path = tmp_path / "memcg.toml"
    head = MACHINE.format(swap_owner="true", swap="1 MiB", format="F")
    head = head.replace("early_pages", f"reparent_charges = {str(reparent).lower()}\nearly_pages")
    path.write_text(head + steps + SNAPSHOT.format("end"))
    (stage,) = run(load_scenario(path))
    charges = Counter(record.split(b"\nCharged to ")[1] for record in stage.files[PAGE_OWNER]() if b"Charged" in record)
    assert charges == {line + b"\n\n": 256}


def test_an_out_of_memory_error_names_the_step(tmp_path: Path) -> None:
    steps = spawn("a", 5) + allocate("a", "tmpfs-write", FREE_MIB + 1, "/noswap/file", "swappable = false")
    with pytest.raises(SpoTraceError, match="step 2: scenario test: out of memory: no free block of order 0") as caught:
        Replayed(tmp_path, steps)
    assert caught.value.hint == "make the machine larger, allocate less, or add swap"


def test_full_swap_leads_to_out_of_memory(tmp_path: Path) -> None:
    steps = spawn("a", 5) + allocate("a", "anon-fault", FREE_MIB + 4, "heap")
    with pytest.raises(SpoTraceError, match="out of memory"):
        Replayed(tmp_path, steps, swap="2 MiB")


@pytest.mark.parametrize("profile", "ABCDE")
def test_older_formats_have_no_stack_files(tmp_path: Path, profile: str) -> None:
    end = Replayed(tmp_path, spawn("a", 5) + allocate("a", "anon-fault", 1, "heap"), swap_owner=False, profile=profile)
    assert not [name for name in end.files if "page_owner_stacks" in name]
    assert len(end.records()) == 256 + 10


def test_handles_are_those_of_the_stack_depot(tmp_path: Path) -> None:
    # GIVEN a booted machine: dummy_stack, failure_stack and early_stack are saved first, 64 bytes each
    end = Replayed(tmp_path, spawn("a", 5) + allocate("a", "anon-fault", 1, "heap"))
    shown = end.files["sys/kernel/debug/page_owner_stacks/show_stacks_handles"]
    # THEN the first two have the handles of real kernels, newest stacks come first, and early_stack is not shown
    handles = [int(line[8:]) for line in shown.split(b"\n") if line.startswith(b"handle: ")]
    assert handles[-2:] == [524289, 1]
    assert handles[0] == (192 // 16) << 17 | 1
    assert b"register_early_stack" not in shown


def test_the_work_grows_linearly_with_swap(tmp_path: Path) -> None:
    # GIVEN a process that writes to twice the machine's memory, and one that writes to four times of it
    def calls(mib: int) -> int:
        steps = spawn("dd", 7) + allocate("dd", "anon-fault", mib, "heap")
        return python_calls(lambda: Replayed(tmp_path, steps, swap="256 MiB"))

    few, many = calls(2 * FREE_MIB), calls(4 * FREE_MIB)
    # THEN the number of calls doubles; it would quadruple if it were quadratic
    assert 1.5 * few < many < 2.5 * few
