# SPDX-License-Identifier: LGPL-2.1-or-later
"""What changed during the read: pages are identified by their times, and what is not is an upper bound."""

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spo_trace.analysis.balance import balance
from spo_trace.analysis.verdicts import verdicts
from spo_trace.snapshots.reader import Snapshot
from tests.support import ANON, MACHINE, SHMEM, entry, meminfo, page, snapshot_of, swaps

SECOND = 1_000_000_000
# MACHINE's uptime is 100 s.
OLD, NEW = 99 * SECOND, 101 * SECOND
COUNTS = b"".join(b" %b\n" % frame for frame in ANON) + b"nr_base_pages: %d\n\n"


def records(number: int, ts: int, *, start: int = 0x1000) -> bytes:
    """Return records of `number` pages that were allocated at `ts`."""
    return b"".join(page(start + n, ts=ts) for n in range(number))


def taken(tmp_path: Path, *, old: int, new: int, used: int, used_after: int, **files: bytes) -> Snapshot:
    """Return a snapshot with `old` and `new` pages; `used` and `used_after`: pages in use at its start and end."""
    whole = {
        **MACHINE,
        "uptime-after": b"105.00 1.00\n",
        "page_owner": records(old, OLD) + records(new, NEW, start=0x8000),
        "meminfo": meminfo(total=9000, free=9000 - used),
        "meminfo-after": meminfo(total=9000, free=9000 - used_after),
        **files,
    }
    return snapshot_of(tmp_path, whole)


def lines(snap: Snapshot, section: str) -> list[tuple[str, str, int]]:
    """Return the lines between the difference and the rest, and the rest."""
    table = balance(snap)
    rows = table[(table["section"] == section) & table["kind"].isin(["explains", "bound", "rest"])]
    return [
        line for line in zip(rows["kind"], rows["item"], rows["pages"].tolist(), strict=True) if "CPU" not in line[1]
    ]


def verdict(snap: Snapshot, part: str) -> tuple[str, str]:
    """Return the verdict and the reason of the first section of a part."""
    row = verdicts(snap, parts=[part]).iloc[0]
    return str(row["verdict"]), str(row["reason"])


def test_pages_allocated_since_the_start_are_explained_by_their_times(tmp_path: Path) -> None:
    # GIVEN a machine with 2,000 pages in use, and a reader that allocates 501 pages, of which 300 are listed
    snap = taken(tmp_path, old=1990, new=300, used=2000, used_after=2501)
    assert lines(snap, "memory") == [("explains", "allocated during the read", -300), ("rest", "unexplained", 10)]
    assert verdict(snap, "memory") == ("balanced", "within-tolerance")


@pytest.mark.parametrize(("lost", "surplus"), [(600, 0), (0, 600)])
def test_the_readers_own_pages_do_not_hide_a_loss(tmp_path: Path, lost: int, surplus: int) -> None:
    # GIVEN a reader whose pages outnumber the old pages that are lost, or listed although they are not in use
    pages = records(2000 - lost, OLD) + records(surplus, OLD, start=0x4000) + records(900, NEW, start=0x8000)
    snap = taken(tmp_path, old=0, new=0, used=2000, used_after=3000, page_owner=pages)
    # THEN it is unexplained
    assert lines(snap, "memory")[-1] == ("rest", "unexplained", lost - surplus)
    assert verdict(snap, "memory") == ("off", "over-tolerance")


@pytest.mark.parametrize(
    ("used_after", "freed", "rest", "reason"),
    [
        # As many pages as were allocated: none was freed.
        (2300, 0, 290, ("off", "over-tolerance")),
        (2290, 10, 280, ("off", "over-tolerance")),
        # 300 pages were allocated, and 290 and more were freed: they may be those that are not listed.
        (2010, 290, 0, ("not checked", "changed-during-read")),
        (1500, 290, 0, ("not checked", "changed-during-read")),
    ],
)
def test_freed_pages_are_an_upper_bound(
    tmp_path: Path, used_after: int, freed: int, rest: int, reason: tuple[str, str]
) -> None:
    snap = taken(tmp_path, old=1710, new=300, used=2000, used_after=used_after)
    found = {item: pages for _, item, pages in lines(snap, "memory")}
    assert (found.get("freed during the read", 0), found["unexplained"]) == (freed, rest)
    assert verdict(snap, "memory") == reason


def test_few_freed_pages_are_tolerated(tmp_path: Path) -> None:
    snap = taken(tmp_path, old=1980, new=300, used=2000, used_after=2280)
    assert lines(snap, "memory")[-2:] == [("bound", "freed during the read", 20), ("rest", "unexplained", 0)]
    assert verdict(snap, "memory") == ("balanced", "within-tolerance")


@pytest.mark.parametrize(
    "files",
    [
        {"uptime": b""},
        # Suspended for an hour, which only /proc/uptime includes.
        {"uptime": b"3700.00 1.00\n", "uptime-after": b"3705.00 1.00\n"},
        # The clocks differ the other way.
        {"uptime": b"80.00 1.00\n", "uptime-after": b"85.00 1.00\n"},
    ],
)
def test_with_unknown_times_a_large_change_is_not_checked(tmp_path: Path, files: dict[str, bytes]) -> None:
    # GIVEN 600 listed pages more than are in use, and MemFree that fell by 700
    snap = taken(tmp_path, old=2000, new=600, used=2000, used_after=2700, **files)
    assert lines(snap, "memory") == [("bound", "changed during the read", -600), ("rest", "unexplained", 0)]
    assert verdict(snap, "memory") == ("not checked", "changed-during-read")
    text = verdicts(snap, parts=["memory"])["text"][0]
    assert text == "30.0% may have changed during the read, more than 2% and more than 1.00 MiB"


def test_a_kernel_without_times(tmp_path: Path) -> None:
    # GIVEN records as Linux 5.10 prints them
    pages = re.sub(rb", pid .* ns\n", b"\n", records(2000, 5) + records(600, 6, start=0x8000))
    snap = taken(tmp_path, old=0, new=0, used=2000, used_after=2700, page_owner=pages)
    assert snap.read("pages", ["ts_nsec"])["ts_nsec"].isna().all()
    assert verdict(snap, "memory") == ("not checked", "changed-during-read")


def test_the_time_of_a_restored_page_is_that_of_its_swap_in(tmp_path: Path) -> None:
    # GIVEN 500 pages whose owner the probes restored: the kernel allocated them during the read
    snap = taken(tmp_path, old=2000, new=1, used=1500, used_after=2001)
    table = pq.read_table(snap.path / "pages.parquet")
    times = pa.array([NEW] * 500 + [None] * (len(table) - 500), pa.int64())
    column = table.schema.get_field_index("kernel_ts_nsec")
    pq.write_table(table.set_column(column, table.schema.field(column), times), snap.path / "pages.parquet")
    facts = json.loads((snap.path / "snapshot.json").read_text())
    facts["swap_owner"] |= {"origin": "bpf", "why": None}
    (snap.path / "snapshot.json").write_text(json.dumps(facts))
    # THEN the time of their first allocation does not count
    assert lines(Snapshot(snap.path), "memory")[0] == ("explains", "allocated during the read", -501)


@pytest.mark.parametrize(
    ("swap_after", "patched", "expected"),
    [(10, True, [-40, 0]), (30, True, [-30, -10]), (60, True, [-40]), (10, False, [-40])],
)
def test_pages_that_came_back_from_swap_have_old_times(
    tmp_path: Path, swap_after: int, patched: bool, expected: list[int]
) -> None:
    # GIVEN a page that was allocated during the read, and 40 old ones that were not in use before
    info = {
        "meminfo": meminfo(total=9000, free=7000, swap_total=100, swap_free=40),
        "meminfo-after": meminfo(total=9000, free=6959, swap_total=100, swap_free=100 - swap_after),
        **({"swap_page_owner": entry(1)} if patched else {}),
    }
    snap = taken(tmp_path, old=2040, new=1, used=0, used_after=0, **info)
    found = lines(snap, "memory")
    assert [pages for _, _, pages in found[1:]] == expected
    assert ("swapped in during the read" in [item for _, item, _ in found]) == (len(expected) == 2)


@pytest.mark.parametrize(
    ("counted", "used_after", "expected"),
    [
        # 700 pages came into use, and 300 of them are listed: 400 can be counted only.
        (2700, 2700, [("explains", "allocated after being read", 400), ("rest", "unexplained", 0)]),
        (2600, 2700, [("explains", "allocated after being read", 300), ("rest", "unexplained", 0)]),
        (2900, 2700, [("explains", "allocated after being read", 400), ("rest", "unexplained", 200)]),
        # Pages that were allocated during the read may be freed again.
        (2100, 2700, [("bound", "freed after being read", -200), ("rest", "unexplained", 0)]),
        (1900, 2700, [("bound", "freed after being read", -300), ("rest", "unexplained", -100)]),
        (1900, 1900, [("bound", "freed after being read", -400), ("rest", "unexplained", 0)]),
    ],
)
def test_the_kernels_counts_are_read_last(
    tmp_path: Path, counted: int, used_after: int, expected: list[tuple[str, str, int]]
) -> None:
    snap = taken(tmp_path, old=2000, new=300, used=2000, used_after=used_after, show_stacks=COUNTS % counted)
    assert lines(snap, "page_owner_stacks") == expected


def test_counts_that_include_swap(tmp_path: Path) -> None:
    # GIVEN a kernel that counts pages in swap; 300 pages came into use in memory, and 100 of swap
    info = {
        "meminfo": meminfo(total=9000, free=7000, swap_total=500, swap_free=490),
        "meminfo-after": meminfo(total=9000, free=6700, swap_total=500, swap_free=390),
    }
    swap = b"".join(entry(n, stack=ANON) for n in range(1, 11))
    files = {"show_stacks": COUNTS % 2310, "swap_page_owner": swap, **info}
    snap = taken(tmp_path, old=2000, new=100, used=0, used_after=0, **files)
    found = balance(snap).set_index("item")["note"]
    assert lines(snap, "page_owner_stacks")[0] == ("explains", "allocated after being read", 200)
    assert found["allocated after being read"] == (
        "MemFree + SwapFree fell by 300 pages more than those listed (upper bound)"
    )


def test_a_change_of_swap_is_an_upper_bound(tmp_path: Path) -> None:
    # GIVEN 1,000 pages of swap in use, of which 700 are listed, and 300 that were swapped in during the read
    swap = b"".join(entry(n, stack=SHMEM) for n in range(1, 701))
    info = {
        "meminfo": meminfo(total=9000, free=7000, swap_total=2000, swap_free=1000),
        "meminfo-after": meminfo(total=9000, free=7000, swap_total=2000, swap_free=1300),
    }
    snap = taken(tmp_path, old=2000, new=0, used=0, used_after=0, swap_page_owner=swap, swaps=swaps(vda=1000), **info)
    assert verdict(snap, "swap") == ("not checked", "changed-during-read")
