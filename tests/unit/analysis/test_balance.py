# SPDX-License-Identifier: LGPL-2.1-or-later
"""The balance of hand-made machines: every number."""

from pathlib import Path

import pandas as pd
import pytest

from spo_trace.analysis.balance import balance
from spo_trace.collect.snapshot import collect
from spo_trace.snapshots.reader import Snapshot
from tests.support import ANON, FS, MACHINE, SHMEM, FakeSource, entry, meminfo, page, snapshot_of, swaps

TYPE_1 = 1 << 58
EARLY = (b"register_early_stack+0x1/0x2", b"init_page_owner+0x1/0x2")


def snapshot(tmp_path: Path, **files: bytes) -> Snapshot:
    """Return the snapshot of a machine with these files in addition to those of every machine."""
    pages = {"page_owner": page(order=3) + page(0x110, 2, stack=SHMEM)}
    return snapshot_of(tmp_path, {**MACHINE, **pages, **{n.replace("_after", "-after"): t for n, t in files.items()}})


def items(table: pd.DataFrame, section: str) -> list[tuple[str, str, int]]:
    """Return a section's lines: kind, item, pages."""
    rows = table[table["section"] == section]
    return list(zip(rows["kind"], rows["item"], rows["pages"].tolist(), strict=True))


def zone(pcp: int) -> bytes:
    """Return a /proc/zoneinfo with `pcp` pages in the per-CPU lists."""
    text = b"Node 0, zone   Normal\n  pages free     5\n        managed  1000\n  pagesets\n    cpu: 0\n"
    return text + b"              count:    %d\n" % pcp


def test_memory(tmp_path: Path) -> None:
    # GIVEN 100 pages in use, of which 12 are listed, 30 in per-CPU lists; 15 more came into use during the read
    early = page(0x200, stack=EARLY) + page(0x201, stack=EARLY)
    pages = page(order=3) + page(0x110, 1, stack=SHMEM) + early
    info = meminfo(free=900) + b"SwapCached: 28 kB\n"
    files = {"page_owner": pages, "meminfo": info, "meminfo_after": meminfo(free=885), "zoneinfo": zone(30)}
    table = balance(snapshot(tmp_path, **files))
    assert items(table, "memory") == [
        ("machine", "MemTotal − MemFree", 100),
        ("listed", "page_owner", 12),
        ("difference", "difference", 88),
        ("explains", "per-CPU free lists", 30),
        ("bound", "changed during the read", 0),
        ("rest", "unexplained", 58),
        ("aside", "early pages", 2),
        ("aside", "in the swap cache", 7),
    ]
    assert table["bytes"].tolist() == [pages * 4096 for pages in table["pages"]]
    assert table["share"].dropna().tolist() == [0.58]
    notes = dict(zip(table["item"], table["note"], strict=True))
    assert notes["changed during the read"] == "MemFree fell by 15 pages during the read (upper bound)"


@pytest.mark.parametrize(
    ("used", "after", "moved"),
    [(100, 100, 0), (100, 80, 20), (100, 10, 88), (100, 120, 0), (10, 30, -2), (10, 11, -1), (10, 5, 0)],
)
def test_a_change_explains_at_most_the_difference(tmp_path: Path, used: int, after: int, moved: int) -> None:
    files = {"meminfo": meminfo(free=1000 - used), "meminfo_after": meminfo(free=1000 - after)}
    found = {item: pages for _, item, pages in items(balance(snapshot(tmp_path, **files)), "memory")}
    assert found["changed during the read"] == moved
    assert found["unexplained"] == used - 12 - moved


def test_without_a_second_meminfo_the_change_is_unknown(tmp_path: Path) -> None:
    table = balance(snapshot(tmp_path, meminfo=meminfo()))
    assert table["note"].tolist()[4] == "unknown: the capture has no second /proc/meminfo"


def test_bytes_are_of_the_machines_page_size(tmp_path: Path) -> None:
    files = {"meminfo": meminfo(free=900, page_kib=64), "pagesize": b"65536\n"}
    table = balance(snapshot(tmp_path, **files))
    assert table["pages"].tolist()[:3] == [100, 12, 88]
    assert table["bytes"].tolist()[:3] == [100 * 65536, 12 * 65536, 88 * 65536]


def test_each_swap_device(tmp_path: Path) -> None:
    text = b"".join(entry(n) for n in (1, 2, 3)) + entry(TYPE_1 + 1)
    info = meminfo(swap_total=2000, swap_free=1990)
    later = meminfo(swap_total=2000, swap_free=1991)
    files = {"swap_page_owner": text, "meminfo": info, "meminfo_after": later, "swaps": swaps(vda=5, zram0=1)}
    table = balance(snapshot(tmp_path, **files))
    assert items(table, "swap type 0: /dev/vda") == [
        ("machine", "Used in /proc/swaps", 5),
        ("listed", "swap_page_owner", 3),
        ("difference", "difference", 2),
        ("bound", "changed during the read", 1),
        ("rest", "unexplained", 1),
    ]
    assert [pages for *_, pages in items(table, "swap type 1: /dev/zram0")] == [1, 1, 0, 0, 0]
    assert table.set_index("section")["share"].dropna().to_dict() == {
        "memory": 0.88,
        "swap type 0: /dev/vda": 0.2,
        "swap type 1: /dev/zram0": 0.0,
    }


TOGETHER = "swap, all devices together: swap types could not be matched to devices"


@pytest.mark.parametrize(
    ("types", "devices", "sections"),
    [
        # Without entries, the type is unknown: a lower type may be unused.
        ([], {"a": 1}, ["swap: /dev/a"]),
        ([0], {"a": 1, "b": 1}, ["swap type 0: /dev/a", "swap: /dev/b"]),
        # After swapoff of a lower type, row numbers are not types, but there are as many types as rows.
        ([1], {"a": 1}, ["swap type 1: /dev/a"]),
        ([0, 2], {"a": 1, "b": 1}, ["swap type 0: /dev/a", "swap type 2: /dev/b"]),
        # One of three devices has no entries, and it is unknown which one.
        ([0, 3], {"a": 1, "b": 2, "c": 4}, [TOGETHER]),
        # The second device has type 1, or type 2 after a swapoff of type 1.
        ([0, 2], {"a": 1, "b": 2, "c": 4}, [TOGETHER]),
        # One device less than types: it was swapped off during the read.
        ([0, 1], {"a": 1}, [TOGETHER]),
    ],
)
def test_gaps_in_the_types(tmp_path: Path, types: list[int], devices: dict[str, int], sections: list[str]) -> None:
    text = b"".join(entry((number << 58) + 1) for number in types)
    table = balance(snapshot(tmp_path, swap_page_owner=text, swaps=swaps(**devices)))
    assert list(dict.fromkeys(table["section"])) == sections
    kinds = table.groupby("kind")["pages"].sum()
    assert (kinds["machine"], kinds["listed"]) == (sum(devices.values()), len(types))


def test_sizes_that_match_no_device_are_not_attributed_to_one(tmp_path: Path) -> None:
    # GIVEN types 1 and 2 in use, but entries of type 1 only: row 1 of /proc/swaps is not type 1
    text = b"".join(entry(TYPE_1 + n) for n in range(1, 101))
    table = balance(snapshot(tmp_path, swap_page_owner=text, swaps=swaps(a=100, b=90)))
    # THEN the devices are balanced together
    assert [pages for *_, pages in items(table, TOGETHER)] == [190, 100, 90, 0, 90]


def test_sizes_show_which_device_has_the_entries(tmp_path: Path) -> None:
    # GIVEN two of three devices, the second with all entries: their type is 2, so one of the lower types is unused
    text = b"".join(entry((2 << 58) + n) for n in range(1, 101))
    table = balance(snapshot(tmp_path, swap_page_owner=text, swaps=swaps(vda=0, zram0=101)))
    # THEN it is not called type 1, and the type of the other device is unknown
    assert [pages for *_, pages in items(table, "swap: /dev/vda")][:2] == [0, 0]
    assert [pages for *_, pages in items(table, "swap type 2: /dev/zram0")][:2] == [101, 100]


def test_without_proc_swaps_meminfo_is_used(tmp_path: Path) -> None:
    info = meminfo(swap_total=2000, swap_free=1995)
    table = balance(snapshot(tmp_path, swap_page_owner=entry(1) + entry(2), meminfo=info))
    assert items(table, "swap")[:3] == [
        ("machine", "SwapTotal − SwapFree", 5),
        ("listed", "swap_page_owner", 2),
        ("difference", "difference", 3),
    ]


def test_a_change_explains_only_one_device(tmp_path: Path) -> None:
    # GIVEN two devices with 10 unlisted pages each, and 10 pages that were freed during the read
    info = {"meminfo": meminfo(swap_total=99, swap_free=79), "meminfo_after": meminfo(swap_total=99, swap_free=89)}
    table = balance(snapshot(tmp_path, swap_page_owner=b"", swaps=swaps(a=10, b=10), **info))
    # THEN they explain the difference of the first device only
    moved = table[table["item"] == "changed during the read"]
    assert moved["pages"].tolist()[-2:] == [10, 0]


def test_swap_with_unknown_owners_is_explained_by_that(tmp_path: Path) -> None:
    table = balance(snapshot(tmp_path, swaps=swaps(vda=5)))
    assert items(table, "swap: /dev/vda") == [
        ("machine", "Used in /proc/swaps", 5),
        ("listed", "swap_page_owner", 0),
        ("difference", "difference", 5),
        ("explains", "unknown owners", 5),
        ("rest", "unexplained", 0),
    ]
    assert table["note"].tolist()[3] == "not in the capture"


def test_counts_by_stack(tmp_path: Path) -> None:
    def block(stack: tuple[bytes, ...], number: int) -> bytes:
        return b"".join(b" %b\n" % frame for frame in stack) + b"nr_base_pages: %d\n\n" % number

    pages = page(order=3) + page(0x110, 2, stack=FS) + page(0x200, stack=EARLY) + page(0x201, stack=EARLY)
    counts = block(ANON, 9) + block(SHMEM, 5)
    table = balance(snapshot(tmp_path, page_owner=pages, swap_page_owner=entry(1), show_stacks=counts))
    assert items(table, "page_owner_stacks") == [
        ("machine", "sum of nr_base_pages", 14),
        ("listed", "page_owner + swap_page_owner", 13),
        ("difference", "difference", 1),
        ("explains", "other stacks without a count", -4),
        ("bound", "changed during the read", 0),
        ("rest", "unexplained", 5),
        ("aside", "sum of absolute differences", 5),
    ]
    notes = table[table["section"] == "page_owner_stacks"]["note"].tolist()
    assert notes[1] == "without 2 early pages, which the kernel does not count"
    assert notes[3].startswith("1 stack: below count_threshold")
    assert notes[6] == "2 stacks; the largest difference is 4 pages"


def test_stacks_without_gfp_reclaim_are_not_counted(tmp_path: Path) -> None:
    # GIVEN a stack whose first allocation lacked __GFP_RECLAIM, and one whose later allocations lacked it
    bare = page(0x110, stack=FS, ts=1).replace(b"mask 0xcc0(", b"mask 0xc0(") + page(0x120, stack=FS, ts=2)
    later = page(0x130, stack=SHMEM, ts=1) + page(0x140, stack=SHMEM, ts=2).replace(b"mask 0xcc0(", b"mask 0xc0(")
    count = b"".join(b" %b\n" % frame for frame in ANON) + b"nr_base_pages: 1\n\n"
    table = balance(snapshot(tmp_path, page_owner=page() + bare + later, show_stacks=count))
    # THEN the first is the one that Linux 6.18+ does not count
    found = [(item, pages) for kind, item, pages in items(table, "page_owner_stacks") if kind == "explains"]
    assert found[:2] == [("stacks without a count", -2), ("other stacks without a count", -2)]


@pytest.mark.parametrize(("free", "swap_free", "moved"), [(860, 100, 8), (895, 100, 5), (895, 98, 7), (910, 100, 0)])
def test_counts_are_read_later_than_pages(tmp_path: Path, free: int, swap_free: int, moved: int) -> None:
    # GIVEN a stack with 8 pages in page_owner, and 16 when the counts were read
    before, after = (meminfo(free=f, swap_total=100, swap_free=s) for f, s in ((900, 100), (free, swap_free)))
    count = b"".join(b" %b\n" % frame for frame in ANON) + b"nr_base_pages: 16\n\n"
    files = {"page_owner": page(order=3), "swap_page_owner": entry(1), "show_stacks": count}
    table = balance(snapshot(tmp_path, **files, meminfo=before, meminfo_after=after))
    # THEN the growth of memory and swap in between explains the difference
    assert items(table, "page_owner_stacks")[-3:-1] == [
        ("bound", "changed during the read", moved),
        ("rest", "unexplained", 8 - moved),
    ]


def test_counts_include_swap_whose_owners_were_not_read(tmp_path: Path) -> None:
    count = b"".join(b" %b\n" % frame for frame in ANON) + b"nr_base_pages: 13\n\n"
    files = {"page_owner": page(order=3), "swap_page_owner": entry(1), "show_stacks": count}
    swap = {"meminfo": meminfo(swap_total=100, swap_free=96), "swaps": swaps(vda=4)}
    snap = collect(FakeSource({**MACHINE, **files, **swap}), tmp_path / "x.spo", swap="none")
    assert items(balance(snap), "page_owner_stacks")[1:6] == [
        ("listed", "page_owner", 8),
        ("difference", "difference", 5),
        ("explains", "in swap", 4),
        ("bound", "changed during the read", 0),
        ("rest", "unexplained", 1),
    ]


def test_without_proc_files_the_balance_is_empty(tmp_path: Path) -> None:
    table = balance(snapshot(tmp_path))
    assert list(table.columns) == ["section", "kind", "item", "pages", "bytes", "share", "note"]
    assert table.empty


def test_pages_with_placeholder_stacks_are_listed(tmp_path: Path) -> None:
    # GIVEN pages of each placeholder stack; a compiler may put create_dummy_stack() before its caller
    init = b"init_page_owner+0x1/0x2"
    stacks = [
        (b"register_early_stack+0x1/0x2", init),
        (b"register_failure_stack.isra.0+0x1/0x2", init),
        (b"create_dummy_stack+0x1/0x2", b"register_dummy_stack+0x1/0x2", init),
    ]
    pages = b"".join(page(0x200 * n, n, stack=stack) for n, stack in enumerate(stacks, 1))
    table = balance(snapshot(tmp_path, page_owner=pages, meminfo=meminfo()))
    assert items(table, "memory")[-3:] == [
        ("aside", "early pages", 2),
        ("aside", "pages with a lost owner", 4),
        ("aside", "pages without a stack trace", 8),
    ]


def test_the_swap_cache_is_counted_by_flags(tmp_path: Path) -> None:
    # GIVEN 9 pages in the swap cache by their flags when page_owner was read, and 7 in meminfo
    pages = page(order=3, flags=b"lru|owner_priv_1|swapbacked") + page(0x110, flags=b"lru|owner_priv_1|swapbacked")
    files = {"page_owner": pages, "meminfo": meminfo(free=900) + b"SwapCached: 28 kB\n"}
    assert ("aside", "in the swap cache", 7) in items(balance(snapshot(tmp_path, **files)), "memory")
    with_owners = tmp_path / "with-owners"
    with_owners.mkdir()
    table = balance(snapshot(with_owners, **files, swap_page_owner=entry(1)))
    assert ("aside", "in the swap cache", 9) in items(table, "memory")
