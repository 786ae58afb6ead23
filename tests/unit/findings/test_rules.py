# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rules on what the captures in fixtures/ lack: lists of processes, free blocks, offline cgroups, lost stacks."""

from collections.abc import Sequence
from pathlib import Path

import pytest

import spo_trace as spo
from spo_trace.findings.codes import Code, Lack
from spo_trace.findings.finding import Explanation
from tests.support import MACHINE, Files, entry, meminfo, page, snapshot_of, swaps

LISTED = b"Pid:\t2\nName:\tkthreadd\nStartTime:\t5\n\n"
BUDDY = b"Node 0, zone   Normal %b\n"


def explained(tmp_path: Path, pages: Sequence[bytes], **files: bytes) -> Explanation:
    everything: Files = {
        **MACHINE,
        "meminfo": meminfo(total=64_000, free=6_000),
        "page_owner": b"".join(pages),
        **files,
    }
    return spo.explain(snapshot_of(tmp_path, everything))


def many(number: int, *, first: int = 0x10000, **fields: object) -> list[bytes]:
    """Return records of 64 pages each, of a machine with 64,000."""
    return [page(first + (place << 6), 6, **fields) for place in range(number)]  # type: ignore[arg-type]


def lacks(found: Explanation) -> set[Lack]:
    return {one.lack for one in found.not_checked}


# Uptime is 100 s: the newest page is from then, so that the clocks agree.
NEWEST = page(0x100, comm=b"reader", pid=90, ts=100_500_000_000)


def test_memory_of_a_process_that_has_exited(tmp_path: Path) -> None:
    # GIVEN 3,200 of 64,000 pages of process 7, which is not in the list, and 3,200 of process 8, which is
    pages = [NEWEST, *many(50, pid=7, comm=b"gone"), *many(50, first=0x20000, pid=8, comm=b"here", ts=20_000_000_000)]
    listed = LISTED + b"Pid:\t8\nName:\there\nStartTime:\t1000\n\n"
    found = explained(tmp_path, pages, processes=listed)
    assert [one.text for one in found.all if one.code is Code.EXITED] == [
        "12.5 MiB was allocated by gone, process 7, which has exited (mostly anon)."
    ]
    assert Lack.PROCESSES not in lacks(found)


def test_few_unmovable_pages_are_no_finding(tmp_path: Path) -> None:
    # GIVEN an excerpt of a text: its unmovable pages are most of what is listed, but little
    unmovable = page(0x200, 2).replace(b"0x200 type Movable", b"0x200 type Unmovable")
    snap = snapshot_of(tmp_path, {"page_owner": unmovable + page(0x400)})
    assert Code.UNMOVABLE_IN_MOVABLE not in spo.explain(snap).codes
    # THEN much of it is one
    pages = [page(0x10000 + (n << 9), 8).replace(b" type Movable Block", b" type Unmovable Block") for n in range(2)]
    snap = snapshot_of(tmp_path, {"page_owner": b"".join(pages) + page(0x400)}, name="y")
    assert Code.UNMOVABLE_IN_MOVABLE in spo.explain(snap).codes


def test_a_later_process_with_the_same_number(tmp_path: Path) -> None:
    # GIVEN pages from 5 ns after boot, and a process with their number that started after 10 s
    pages = [NEWEST, *many(50, pid=7, comm=b"dd"), page(0x20000, pid=7, comm=b"dd", ts=50_000_000_000)]
    listed = LISTED + b"Pid:\t7\nName:\tdd\nStartTime:\t1000\n\n"
    found = explained(tmp_path, pages, processes=listed)
    (finding,) = (one for one in found.all if one.code is Code.EXITED)
    # THEN only the pages that are older than the process count, also in the command
    assert finding.size == 50 * 64 * 4096
    assert "ts_nsec < 5000000000" in finding.command


def test_a_process_that_started_after_the_list_was_made(tmp_path: Path) -> None:
    found = explained(tmp_path, [NEWEST, *many(50, pid=7, ts=100_400_000_000)], processes=LISTED)
    assert Code.EXITED not in found.codes


def test_after_a_suspend_start_times_and_allocations_have_different_clocks(tmp_path: Path) -> None:
    found = explained(tmp_path, many(50, pid=7), processes=LISTED)
    assert Code.EXITED not in found.codes
    assert Lack.CLOCK in lacks(found)


def test_the_list_of_a_pid_namespace_is_not_used(tmp_path: Path) -> None:
    listed = b"Pid:\t1\nName:\tsh\nStartTime:\t5\n\nPid:\t2\nName:\tsleep\nStartTime:\t5\n\n"
    found = explained(tmp_path, [NEWEST, *many(50, pid=7)], processes=listed)
    assert Code.EXITED not in found.codes
    assert Lack.PROCESSES in lacks(found)


@pytest.mark.parametrize(
    ("blocks", "fragmented"),
    [
        (b"4000 1000 0 0 0 0 0 0 0 0 0", True),
        (b"4000 0 0 0 0 0 0 0 0 1 0", False),
        (b"400 0 0 0 0 0 0 0 0 0 0", False),
    ],
)
def test_fragmentation(tmp_path: Path, blocks: bytes, fragmented: bool) -> None:
    # Records of two blocks tell the size of a pageblock.
    pages = [page(0x200), page(0x400)]
    found = explained(tmp_path, pages, buddyinfo=BUDDY % blocks)
    assert (Code.FRAGMENTED in found.codes) == fragmented


def test_pages_of_a_removed_cgroup(tmp_path: Path) -> None:
    found = explained(tmp_path, [page(0x100), *many(50, tail=b"Charged to offline memcg gone\n")])
    assert [one.text for one in found.all if one.code is Code.OFFLINE_MEMCG] == [
        "12.5 MiB of memory is charged to memory cgroups that have been removed."
    ]


def test_a_large_module_names_itself_once(tmp_path: Path) -> None:
    stack = (b"prep_new_page+0x1c/0x48", b"__kmalloc_large_node+0x1/0x2", b"leak+0x1/0x2 [leaky]")
    found = explained(tmp_path, many(300, stack=stack, comm=b"modprobe"))
    assert found.codes & {Code.LARGE_MODULE, Code.LARGE_CALLSITE, Code.LARGE_PROCESS} == {Code.LARGE_CALLSITE}


def test_lost_stacks(tmp_path: Path) -> None:
    found = explained(tmp_path, many(50, stack=(b"register_failure_stack+0x1/0x2", b"init_page_owner+0x1/0x2")))
    assert Code.LOST_STACKS in found.codes


def test_page_tables_and_kernel_stacks(tmp_path: Path) -> None:
    tables = (b"prep_new_page+0x1c/0x48", b"pte_alloc_one+0x1/0x2", b"__pte_alloc+0x1/0x2")
    stacks = (b"prep_new_page+0x1c/0x48", b"alloc_thread_stack_node+0x1/0x2", b"copy_process+0x1/0x2")
    found = explained(tmp_path, [*many(40, stack=tables), *many(40, first=0x20000, stack=stacks)])
    assert {Code.PAGE_TABLES, Code.KERNEL_STACKS} <= found.codes


def test_unmovable_pages_in_movable_pageblocks(tmp_path: Path) -> None:
    # GIVEN pages that were allocated as unmovable, and pages of a kernel without grouping, which prints Unmovable
    wrong = [record.replace(b"type Movable Block", b"type Unmovable Block") for record in many(40)]
    movable = [record.replace(b"GFP_KERNEL", b"GFP_HIGHUSER_MOVABLE") for record in wrong]
    assert Code.UNMOVABLE_IN_MOVABLE in explained(tmp_path / "a", [page(0x100), *wrong]).codes
    assert Code.UNMOVABLE_IN_MOVABLE not in explained(tmp_path / "b", [page(0x100), *movable]).codes
    assert Code.UNMOVABLE_IN_MOVABLE not in explained(tmp_path / "c", wrong).codes


def test_swap_nearly_full(tmp_path: Path) -> None:
    found = explained(tmp_path, [page()], swaps=swaps(vda=950), swap_page_owner=b"")
    assert [one.text for one in found.all if one.code is Code.SWAP_FULL] == [
        "Swap is nearly full: 3.71 MiB of 3.91 MiB are in use."
    ]


def test_a_page_owner_file_alone_has_only_findings_about_owners(tmp_path: Path) -> None:
    found = spo.explain(snapshot_of(tmp_path, {"page_owner": b"".join(many(50))}))
    assert Code.MEMORY_FULL not in found.codes
    assert [one.text for one in found.all if one.code is Code.LARGE_PROCESS] == [
        "12.5 MiB of memory was allocated by dd (100% of all that is listed)."
    ]
    assert {Lack.MEMINFO, Lack.SWAPS, Lack.PROCESSES, Lack.BUDDYINFO} <= lacks(found)


def test_swap_alone(tmp_path: Path) -> None:
    files = {**MACHINE, "swap_page_owner": b"".join(map(entry, range(1, 400)))}
    found = spo.explain(snapshot_of(tmp_path, files))
    assert found.codes == {Code.SWAP_OWNER}
    # No rule on memory is passed over in silence.
    assert {code for one in found.not_checked if one.lack is Lack.MEMORY_OWNERS for code in one.codes} > {
        Code.TMPFS,
        Code.PAGE_TABLES,
        Code.LARGE_PROCESS,
    }


def test_old_kernels_without_names_of_processes(tmp_path: Path) -> None:
    old = (
        b"Page allocated via order 0, mask 0xcc0(GFP_KERNEL)\nPFN 1 type Movable Block 0 type Movable Flags 0x8(lru)\n"
    )
    found = spo.explain(snapshot_of(tmp_path, {**MACHINE, "page_owner": old + b" a+0x1/0x2\n\n"}))
    assert Lack.COMM in lacks(found)


def test_names_of_processes_are_shown_escaped(tmp_path: Path) -> None:
    found = explained(tmp_path, many(900, comm=b'"\x1b[1m'))
    assert all("\x1b" not in one.text + one.command for one in found.all)
    assert Code.LARGE_PROCESS in found.codes


def test_snapshots_in_the_wrong_order(tmp_path: Path) -> None:
    earlier = snapshot_of(tmp_path, {**MACHINE, "page_owner": page()}, name="earlier")
    later = snapshot_of(tmp_path, {**MACHINE, "uptime": b"160.00 1.00\n", "page_owner": page()}, name="later")
    with pytest.raises(spo.UsageError, match=r"was taken 60\.0 s before"):
        spo.explain(later, earlier)


def test_a_function_that_a_release_renamed_did_not_grow(tmp_path: Path) -> None:
    # GIVEN 1,280 of 64,000 pages of one function, which has another name on a newer kernel
    names = {b"7.2.13": b"new_alloc", b"6.12.1": b"old_alloc"}
    sides = {
        release: {
            **MACHINE,
            "uname": b"Linux box %b #1 SMP x86_64\n" % release,
            "meminfo": meminfo(total=64_000, free=6_000),
            "page_owner": b"".join(many(20, comm=b"kthread", stack=(b"%b+0x1/0x2" % name, b"shared_worker+0x3/0x4"))),
        }
        for release, name in names.items()
    }
    new, old = (snapshot_of(tmp_path, files, name=release.decode()) for release, files in sides.items())
    assert Code.CALLSITE_GREW not in spo.explain(old, new).codes
    # THEN memory of both functions that grew is named by what both kernels have
    more = b"".join(many(40, comm=b"kthread", stack=(b"new_alloc+0x1/0x2", b"shared_worker+0x3/0x4")))
    grown = snapshot_of(tmp_path, {**sides[b"7.2.13"], "page_owner": more}, name="grown")
    (finding,) = (one for one in spo.explain(old, grown).all if one.code is Code.CALLSITE_GREW)
    assert finding.size == 20 * 64 * 4096 and "allocated in shared_worker grew" in finding.text
    assert "--by stack,category" in finding.command
