# SPDX-License-Identifier: LGPL-2.1-or-later
"""Attribution: sums are the same for all keys, even if values are missing, and use the machine's page size."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spo_trace as spo
from spo_trace.analysis.attribution import AMOUNTS, record_columns
from spo_trace.analysis.keys import KEYS
from spo_trace.analysis.question import Question
from spo_trace.api.analyses import attribute
from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.limits import MAX_ORDER
from spo_trace.snapshots.reader import Snapshot
from tests.support import ANON, CARRIED, FS, MACHINE, SHMEM, entry, page, snapshot_of

# Without aliases of other keys.
DIFFERENT = [key for key in KEYS if key != "type"]

TYPE_1 = 0x400000000000000
OLD = b"Page allocated via order 1, mask 0x0()\nPFN 5 Block 0 type 2          Flags             \n"
OLD_STACK = b"".join(b" %b\n" % frame for frame in FS) + b"\n"

# dd: 1 + 8 pages in memory, 2 in swap; cat: 4 and 1; the owner of 2 pages is unknown.
PAGES = [
    page(0x100, 0, stack=SHMEM, swapped=True, tail=b"Charged (via objcg) to offline memcg a b (c)\n"),
    page(0x108, 3, stack=ANON, pid=8),
    page(0x104, 2, b"cat", stack=FS, tail=b"Slab cache page\n", node=1),
    OLD + OLD_STACK,
]
ENTRIES = [entry(1), entry(TYPE_1 + 2, pid=9), entry(TYPE_1 + 3, b"cat", stack=ANON)]


@pytest.fixture(scope="module")
def snap(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Return a snapshot in which most keys are missing in some rows."""
    files = {**MACHINE, "page_owner": b"".join(PAGES), "swap_page_owner": b"".join(ENTRIES)}
    return snapshot_of(tmp_path_factory.mktemp("snap"), files)


def rows(table: pd.DataFrame) -> list[list[object]]:
    """Return a table as lists, with None for missing values."""
    return [[None if pd.isna(value) else value for value in row] for row in table.to_numpy().tolist()]


def test_by_comm(snap: Snapshot) -> None:
    table = attribute(snap)
    assert list(table.columns) == ["comm", "key_known", *AMOUNTS]
    assert rows(table) == [
        ["dd", True, 9, 2, 0, 36864, 8192, 0, 45056, 11 / 18],
        ["cat", True, 4, 1, 0, 16384, 4096, 0, 20480, 5 / 18],
        [None, False, 2, 0, 0, 8192, 0, 0, 8192, 2 / 18],
    ]
    assert [str(table[name].dtype) for name in AMOUNTS[:7]] == ["int64"] * 7


@pytest.mark.parametrize(
    ("key", "expected"),
    # Key → pages in memory and in swap; None: unknown. In quotes: a missing key that is `?` unknown, or `-` known to be
    # none.
    [
        ("pid", {7: (5, 2), 8: (8, 0), 9: (0, 1), "?": (2, 0)}),
        ("tgid", {7: (5, 2), 8: (8, 0), 9: (0, 1), "?": (2, 0)}),
        ("memcg", {"a b (c)": (1, None), "-": (14, None), "?": (0, 3)}),
        ("memcg_offline", {True: (1, None), "-": (14, None), "?": (0, 3)}),
        ("order", {0: (1, None), 1: (2, None), 2: (4, None), 3: (8, None), "?": (0, 3)}),
        ("node", {0: (9, None), 1: (4, None), "?": (2, 3)}),
        ("slab", {False: (11, 3), True: (4, 0)}),
        ("swapped", {False: (14, 3), True: (1, 0)}),
        ("type", {0: (0, 1), 1: (0, 2), "-": (15, 0)}),
        ("category", {"anon": (8, 1), "tmpfs/shmem": (1, 2), "page cache": (6, 0)}),
        ("module", {"vmlinux": (9, 3), "ext4": (6, 0)}),
        (
            "callsite",
            {
                "do_anonymous_page": (8, 1),
                "shmem_alloc_folio": (1, 2),
                "ext4_readpages [ext4]": (6, 0),
            },
        ),
        ("swap_type", {0: (0, 1), 1: (0, 2), "-": (15, 0)}),
        ("pfn", {0x100: (1, None), 0x108: (8, None), 0x104: (4, None), 5: (2, None), "?": (0, 3)}),
        ("swp_entry", {1: (0, 1), TYPE_1 + 2: (0, 1), TYPE_1 + 3: (0, 1), "-": (15, 0)}),
        ("page_flags", {8: (13, None), "?": (2, 3)}),
        ("pageblock_migratetype", {"Movable": (13, None), "2": (2, None), "?": (0, 3)}),
        ("memcg_objcg", {True: (1, None), "-": (14, None), "?": (0, 3)}),
        ("origin", {"debugfs": (0, 3), "-": (15, 0)}),
        ("last_migrate_reason", {"-": (15, None), "?": (0, 3)}),
        ("kernel_pid", {"-": (15, 3)}),
        # No kernel of this snapshot prints these.
        ("module_name", {"?": (15, 3)}),
        ("free_ts_nsec", {"?": (15, 3)}),
        ("handle", {"?": (15, 3)}),
        ("stack_id", {0: (1, 2), 1: (8, 1), 2: (6, 0)}),
        (
            "symbols",
            {
                ("prep_new_page", "alloc_pages_mpol", "do_anonymous_page"): (8, 1),
                ("prep_new_page", "shmem_alloc_folio", "shmem_get_folio_gfp"): (1, 2),
                ("prep_new_page", "page_cache_ra_unbounded", "ext4_readpages"): (6, 0),
            },
        ),
    ],
)
def test_by_each_key(snap: Snapshot, key: str, expected: dict[object, tuple[int, int | None]]) -> None:
    table = attribute(snap, key)
    found = {}
    for value, known, *pages in rows(table[[key, "key_known", "mem_pages", "swap_pages"]]):
        assert known or value is None
        found[("-" if known else "?") if value is None else value] = tuple(pages)
    assert found == expected
    assert len(table) == len(expected), "a missing key came twice"


def test_stacks_are_frames_innermost_first(snap: Snapshot) -> None:
    assert attribute(snap, "stack")["stack"].tolist()[0] == tuple(frame.decode() for frame in ANON)


def test_without_keys_it_is_one_sum(snap: Snapshot) -> None:
    assert rows(attribute(snap, [])) == [[15, 3, 0, 61440, 12288, 0, 73728, 1.0]]


@settings(max_examples=40, deadline=None)
@given(by=st.lists(st.sampled_from(DIFFERENT), unique=True, max_size=len(DIFFERENT)))
def test_sums_by_any_keys_equal_the_ungrouped_sums(snap: Snapshot, by: list[str]) -> None:
    table = attribute(snap, by)
    assert table[AMOUNTS[:7]].sum().tolist() == [15, 3, 0, 61440, 12288, 0, 73728]
    assert table["share"].sum() == pytest.approx(1)
    assert not table.duplicated([*by, "key_known"]).any() if by else len(table) == 1
    assert list(table.columns) == [*by, *(["key_known"] if by else []), *AMOUNTS]


@settings(max_examples=8, deadline=None)
@given(by=st.lists(st.sampled_from(DIFFERENT), unique=True, min_size=1, max_size=4))
def test_sums_of_a_real_machine_equal_the_ungrouped_sums(real: Snapshot, by: list[str]) -> None:
    table = attribute(real, by)
    assert table[["mem_pages", "swap_pages"]].sum().tolist() == [24150, 17535]
    assert table["total_bytes"].is_monotonic_decreasing
    assert not table.duplicated([*by, "key_known"]).any()


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Return a snapshot of a real capture with two swap devices."""
    return spo.snapshot(tmp_path_factory.mktemp("real") / "x.spo", from_=CARRIED / "7.2-spo-varied/2-swapped")


@pytest.mark.parametrize("size", [4096, 16384, 65536])
def test_bytes_are_of_the_machines_page_size(tmp_path: Path, size: int) -> None:
    files = {**MACHINE, "pagesize": b"%d\n" % size, "page_owner": page(order=3), "swap_page_owner": entry(1)}
    table = attribute(snapshot_of(tmp_path, files))
    assert rows(table) == [["dd", True, 8, 1, 0, 8 * size, size, 0, 9 * size, 1.0]]


def test_the_largest_order_does_not_overflow(tmp_path: Path) -> None:
    snap = snapshot_of(tmp_path, {**MACHINE, "page_owner": b"".join(page(n << MAX_ORDER, MAX_ORDER) for n in range(9))})
    assert attribute(snap)[["mem_pages", "mem_bytes", "total_bytes"]].to_numpy().tolist() == [
        [9 << MAX_ORDER, 9 << MAX_ORDER + 12, 9 << MAX_ORDER + 12]
    ]


@pytest.mark.parametrize("by", [[], ["comm"], ["stack", "order"]])
def test_unknown_amounts_are_missing(tmp_path: Path, by: list[str]) -> None:
    # GIVEN a kernel without swap_page_owner, and swap_page_owner without page_owner
    memory = attribute(snapshot_of(tmp_path, {"page_owner": page(order=1)}, name="memory"), by)
    swap = attribute(snapshot_of(tmp_path, {"swap_page_owner": entry(1)}, name="swap"), by)
    # THEN unknown amounts are missing, not 0, and the total is that of the known ones
    assert memory[["swap_pages", "swap_bytes"]].isna().all(axis=None)
    assert memory[["mem_bytes", "total_bytes", "share"]].to_numpy().tolist() == [[8192, 8192, 1]]
    assert swap[["mem_pages", "mem_bytes"]].isna().all(axis=None)
    assert swap[["swap_bytes", "total_bytes", "share"]].to_numpy().tolist() == [[4096, 4096, 1]]
    # AND with both files, both amounts are integers
    both = attribute(snapshot_of(tmp_path, {"page_owner": page(), "swap_page_owner": b""}, name="both"), by)
    assert both["swap_bytes"].tolist() == [0] and both["swap_bytes"].dtype == "int64"


@pytest.mark.parametrize(
    ("where", "mem", "swap"),
    [
        ("not slab", 11, 3),
        ("slab", 4, 0),
        ("swapped", 1, 0),
        ("kernel_pid.isna()", 15, 3),
        ("swap_type == 1", 0, 2),
        ("type == 1", 0, 2),
        ("type.isna()", 15, 0),
        ('callsite == "ext4_readpages [ext4]"', 6, 0),
        ("stack_id == 1", 8, 1),
        ('comm == "dd"', 9, 2),
        ('category == "anon"', 8, 1),
        ("swp_entry == 0x400000000000002", 0, 1),
    ],
)
def test_where(snap: Snapshot, where: str, mem: int, swap: int) -> None:
    table = attribute(snap, "comm", where=where)
    assert (table["mem_pages"].sum(), table["swap_pages"].sum()) == (mem, swap)
    if mem + swap:
        assert table["share"].sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("where", "mem"),
    [
        ("order > 0", 14),
        ("order >= 0", 15),
        ('comm == "dd" or node == 1', 13),
        ('memcg == "a b (c)"', 1),
        ("memcg.isna()", 14),
        ("pfn > 99999999999999", 0),
        ("last_migrate_reason.isna()", 15),
    ],
)
@pytest.mark.parametrize("by", [[], ["comm"], ["order"]])
def test_where_on_a_key_that_swap_entries_lack(snap: Snapshot, where: str, mem: int, by: list[str]) -> None:
    # THEN it is unknown which swap entries match, and the total is memory alone
    table = attribute(snap, by, where=where)
    assert table[["swap_pages", "swap_bytes", "swap_cache_pages"]].isna().all(axis=None)
    assert table[["mem_pages", "total_bytes"]].sum().tolist() == [mem, mem * 4096]


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ('module_name == "zram"', "module_name"),
        ("handle > 1 or order > 0", "handle, order"),
        ("free_ts_nsec > order", "free_ts_nsec, order"),
    ],
)
def test_where_on_a_key_that_no_record_has(snap: Snapshot, where: str, names: str) -> None:
    # `order` is known for memory, but the condition as a whole is not
    with pytest.raises(SpoTraceError) as caught:
        attribute(snap, where=where)
    assert caught.value.message == f"{names} is unknown for all memory and swap in x.spo: nothing can be selected by it"


@pytest.mark.parametrize("by", ["memcg", "slab", "memcg_offline"])
def test_a_kernel_without_memory_cgroups_does_not_know_them(tmp_path: Path, by: str) -> None:
    snap = snapshot_of(tmp_path, {**MACHINE, "page_owner": page(), "swap_page_owner": entry(1)})
    table = attribute(snap, by)
    # Swap is never slab.
    expected = [[False, True, None, 1], [None, False, 1, 0]] if by == "slab" else [[None, False, 1, 1]]
    assert sorted(rows(table[[by, "key_known", "mem_pages", "swap_pages"]]), key=str) == expected


def test_no_swap_entries_are_known_to_be_none(tmp_path: Path) -> None:
    # GIVEN a kernel that keeps owners of swap, and nothing in swap
    snap = snapshot_of(tmp_path, {**MACHINE, "page_owner": page(), "swap_page_owner": b""})
    assert rows(attribute(snap, "order")[["order", "key_known", "swap_pages"]]) == [[0, True, 0]]
    assert attribute(snap, [], where="order >= 0")["swap_pages"].tolist() == [0]


@pytest.mark.parametrize(
    ("key", "where"),
    [
        *((key, None) for key in KEYS),
        ("comm", "pid > 1"),
        ("type", 'callsite == "__handle_mm_fault"'),
        ("stack", "type == 1"),
        ("pfn", 'category == "anon"'),
    ],
)
def test_page_columns_suffice_for_the_attribution(real: Snapshot, key: str, where: str | None) -> None:
    # GIVEN a capture that is opened for one set of keys and one condition
    path = CARRIED / "7.2-spo-varied/2-swapped"
    asked = spo.open(path, page_columns=record_columns(Question.of(key, where), "pages"))
    # WHEN it is attributed by them, THEN the result is the same as with all columns
    pd.testing.assert_frame_equal(attribute(asked, key, where=where), attribute(real, key, where=where))


def test_equal_totals_are_sorted_by_their_keys(tmp_path: Path) -> None:
    names = [b"c", b"a", b"B", b"d", b"b"]
    snap = snapshot_of(
        tmp_path, {**MACHINE, "page_owner": b"".join(page(n, comm=name) for n, name in enumerate(names))}
    )
    assert attribute(snap)["comm"].tolist() == ["B", "a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("by", "message", "hint"),
    [
        ("com", "there is no key 'com'", "did you mean 'comm'?"),
        (["comm", "pid", "comm"], "the key 'comm' is given twice", "give each key once"),
        (["zzz"], "there is no key 'zzz'", f"choose from {', '.join(KEYS)}"),
        (["frames"], "there is no key 'frames'", None),
        (["swap_type", "type"], "'swap_type' and 'type' are the same key", "give each key once"),
    ],
)
def test_invalid_keys(snap: Snapshot, by: str | list[str], message: str, hint: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        attribute(snap, by)
    assert caught.value.message == message
    assert hint is None or caught.value.hint == hint
