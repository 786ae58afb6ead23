# SPDX-License-Identifier: LGPL-2.1-or-later
"""How the stacks of two kernels are matched, and that their sums remain exact."""

from pathlib import Path

import pandas as pd
import pytest

import spo_trace as spo
from spo_trace.analysis.diff import Relation, chosen_match
from spo_trace.analysis.stack_match import Match
from spo_trace.errors import UsageError
from spo_trace.snapshots.reader import Snapshot
from tests.oracle import captures
from tests.oracle.awk import comm_totals
from tests.oracle.stacks import stack_pages
from tests.support import ANON, CARRIED, FS, MACHINE, SHMEM, entry, in_process, page, snapshot_of

RELEASES = CARRIED.parent / "captures-releases"
PAGE = 4096
OTHER = b"Linux box 6.12.0 #1 SMP x86_64\n"
# ANON on a release that has other functions of the allocator, and a new helper.
RENAMED = (b"post_alloc_hook+0x1/0x2", b"vma_alloc_folio+0x3/0x4", b"new_helper+0x5/0x6", ANON[-1])
# The only function of ANON that is no allocator.
KEY = ("do_anonymous_page",)


def pair(tmp_path: Path, a: bytes, b: bytes, swap: tuple[bytes, bytes] = (b"", b"")) -> tuple[Snapshot, Snapshot]:
    """Return snapshots of two releases with these pages and swap entries."""
    first = snapshot_of(tmp_path, {**MACHINE, "page_owner": a, "swap_page_owner": swap[0]}, name="a")
    files = {**MACHINE, "page_owner": b, "swap_page_owner": swap[1], "uname": OTHER}
    return first, snapshot_of(tmp_path, files, name="b")


def amounts(table: pd.DataFrame, name: str = "total") -> dict[object, tuple[int, int]]:
    """Return the pages of A and B by the first key."""
    sides = (table[f"{name}_bytes_{side}"] // PAGE for side in "ab")
    return dict(zip(table.iloc[:, 0], zip(*sides, strict=True), strict=True))


@pytest.mark.parametrize(
    ("same_build", "seconds", "same_release", "chosen"),
    [
        (True, None, True, Match.EXACT),
        (False, None, True, Match.SYMBOLS),
        (False, None, False, Match.COMMON),
        (None, None, True, Match.SYMBOLS),
        (None, None, None, Match.COMMON),
        # One boot, without uname.
        (None, 1.5, None, Match.EXACT),
    ],
)
def test_auto_depends_on_the_kernels(
    same_build: bool | None, seconds: float | None, same_release: bool | None, chosen: Match
) -> None:
    relation = Relation(same_build, seconds, ("mem", "swap"), same_release)
    assert chosen_match(Match.AUTO, relation) is chosen
    # Any other choice is the user's.
    assert chosen_match(Match.EXACT, relation) is Match.EXACT


def test_renamed_and_new_helpers_do_not_look_like_growth(tmp_path: Path) -> None:
    both = pair(tmp_path, page(order=2), page(order=1, stack=RENAMED) + page(0x200, stack=RENAMED))
    table = spo.diff(*both, "stack")
    assert list(table.columns[:2]) == ["common", "key_known"]
    assert amounts(table) == {KEY: (4, 3)}
    assert amounts(spo.diff(*both, "stack", match="symbols")).keys() != {KEY}
    assert len(spo.diff(*both, "stack", match="exact")) == 2


def test_all_stacks_of_a_key_are_summed_in_memory_and_swap(tmp_path: Path) -> None:
    pages = page(order=1) + page(0x200, stack=(b"prep_new_page+0x9/0x9", *ANON[1:])) + page(0x300, 3, stack=SHMEM)
    both = pair(tmp_path, pages, page(stack=RENAMED) + page(0x200, stack=SHMEM), (entry(1) + entry(2), entry(1)))
    table = spo.diff(*both, "stack")
    shmem = ("shmem_alloc_folio", "shmem_get_folio_gfp")
    assert amounts(table, "mem") == {KEY: (3, 1), shmem: (8, 1)}
    assert amounts(table, "swap") == {KEY: (0, 0), shmem: (2, 1)}


def test_other_keys_are_kept_apart(tmp_path: Path) -> None:
    both = pair(tmp_path, page() + page(0x200, 1, comm=b"cat"), page(stack=RENAMED))
    table = spo.diff(*both, ["comm", "stack"])
    assert list(table.columns[:3]) == ["comm", "common", "key_known"]
    assert amounts(table) == {"dd": (1, 1), "cat": (2, 0)}


def test_a_condition_does_not_change_the_key(tmp_path: Path) -> None:
    # GIVEN a function that the matching records of B lack, but other records of B have
    a = page(stack=(*SHMEM, b"helper+0x1/0x2"))
    both = pair(tmp_path, a, page() + page(0x200, comm=b"cat", stack=(*FS, b"helper+0x1/0x2")))
    everything = set(spo.diff(*both, "stack")["common"])
    assert set(spo.diff(*both, "stack", where="comm == 'dd'")["common"]) <= everything


def test_unknown_amounts_and_stacks_remain_unknown(tmp_path: Path) -> None:
    files = {**MACHINE, "page_owner": page() + page(0x200, stack=())}
    both = snapshot_of(tmp_path, files, name="a"), snapshot_of(tmp_path, {**files, "uname": OTHER}, name="b")
    table = spo.diff(*both, "stack")
    assert table[["swap_bytes_a", "swap_bytes_b", "swap_bytes_delta"]].isna().all(axis=None)
    assert amounts(table) == {KEY: (1, 1), ("(no stack)",): (1, 1)}


def test_sorting_by_stack_uses_the_column_that_replaces_it(tmp_path: Path) -> None:
    table = spo.diff(*pair(tmp_path, page() + page(0x200, stack=SHMEM), page()), "stack", sort="stack")
    assert list(table["common"]) == sorted(table["common"])


@pytest.mark.parametrize(
    ("match", "by", "message"),
    [
        ("frames", "stack", "match: stacks cannot be matched by 'frames'"),
        (None, "stack", "match: stacks cannot be matched by 'None'"),
        ("common", "comm", "match says how stacks are matched, but memory is not compared by stack"),
        ("exact", "symbols", "match says how stacks are matched, but memory is not compared by stack"),
    ],
)
def test_a_match_that_makes_no_sense(tmp_path: Path, match: str, by: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        spo.diff(*pair(tmp_path, page(), page()), by, match=match)
    assert caught.value.message == message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("older", "newer", "most"), [("6.1", "6.12", 0.15), ("6.12", "7.2", 0.05), ("6.1", "7.2", 0.15)]
)
def test_an_unchanged_workload_hardly_shifts_and_its_sums_are_those_of_awk(older: str, newer: str, most: float) -> None:
    # GIVEN one workload on two releases, of whose memory at most 8 % has the same function names
    a, b = spo.open(RELEASES / older), spo.open(RELEASES / newer)
    assert shift(spo.diff(a, b, "stack", match="symbols")) > 0.92
    # WHEN stacks are matched by what both kernels have in common
    table = spo.diff(a, b, ["stack"])
    # THEN little of it seems to have moved
    assert shift(table) < most
    # AND all sums are exact, by process, too
    by_comm = spo.diff(a, b, ["stack", "comm"])
    for side, release in (("a", older), ("b", newer)):
        text = captures.read(RELEASES / release, "page_owner")
        assert table[f"mem_bytes_{side}"].sum() // PAGE == sum(stack_pages(text).values())
        pages = (by_comm[f"mem_bytes_{side}"] // PAGE).groupby(by_comm["comm"]).sum()
        assert pages[pages > 0].to_dict() == {comm.decode(): one.pages for comm, one in comm_totals(text).items()}


def shift(table: pd.DataFrame) -> float:
    """Return the memory that seems to have moved, relative to the memory of both."""
    return float(table["mem_bytes_delta"].abs().sum() / (table["mem_bytes_a"].sum() + table["mem_bytes_b"].sum()))


@pytest.mark.parametrize(
    ("by", "expected"), [("stack", "stack (the innermost functions that both kernels have)"), ("comm", "comm")]
)
def test_the_summary_names_the_key_that_was_asked_for(tmp_path: Path, by: str, expected: str) -> None:
    a, b = pair(tmp_path, page(), page(order=1, stack=RENAMED))
    run = in_process("diff", a.path, b.path, "--by", by, cwd=tmp_path)
    assert f"\nChanges by {expected}: ".encode() in run.stderr
