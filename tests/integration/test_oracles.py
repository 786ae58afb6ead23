# SPDX-License-Identifier: LGPL-2.1-or-later
"""The results of spo-trace for every stored capture equal those of independent oracles."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest

import spo_trace as spo
from spo_trace.reporters.frames import text_of
from tests.oracle import awk, framed, peer, stacks
from tests.oracle.captures import CARRIED, read, stage_id, stages

Owners = dict[str, tuple[int, int]]  # key -> base pages in memory, in swap
MIB = 256  # base pages
PAGE_SIZE = 4096


class Figures(NamedTuple):
    """Hold the totals of a stage, computed from the text by awk in advance."""

    mem_pages: int
    swap_pages: int
    records: int
    swapped: int
    stacks: int


FIGURES = {
    "7.2-spo/0-initial": Figures(14981, 0, 14173, 0, 435),
    "7.2-spo/1-dd256": Figures(80694, 0, 79813, 0, 438),
    "7.2-spo/2-swapped": Figures(114088, 64922, 113004, 0, 442),
    "7.2-spo/3-back": Figures(79236, 0, 78352, 64922, 430),
    "7.2-spo-varied/0-before": Figures(7026, 0, 6211, 0, 447),
    "7.2-spo-varied/1-allocated": Figures(40971, 0, 30066, 0, 486),
    "7.2-spo-varied/2-swapped": Figures(24150, 17535, 19701, 0, 486),
    "7.2-spo-varied/3-partial": Figures(31223, 10724, 24601, 5232, 492),
    "7.2-spo-varied/4-swapoff": Figures(38855, 0, 31682, 12422, 478),
    "7.2-spo-varied/5-end": Figures(7448, 0, 6594, 0, 455),
    "7.2-stock/0-initial": Figures(14991, 0, 14182, 0, 433),
    "7.2-stock/1-dd256": Figures(80717, 0, 79835, 0, 434),
    "7.2-stock/2-swapped": Figures(113731, 0, 112721, 0, 435),
    "7.2-stock/3-back": Figures(79242, 0, 78358, 0, 427),
}

# The RFC's experiment, (memory, swap): dd fills 256 MiB of tmpfs, DD pushes it to swap, cat reads it back.
# Stock: the 250 MiB that came back are cat's. With swap_page_owner they are still dd's.
RFC = {
    "7.2-stock/0-initial": {"dd": (0, 0), "DD": (0, 0), "cat": (48, 0)},
    "7.2-stock/1-dd256": {"dd": (65702, 0), "DD": (0, 0), "cat": (47, 0)},
    "7.2-stock/2-swapped": {"dd": (1581, 0), "DD": (98638, 0), "cat": (57, 0)},
    "7.2-stock/3-back": {"dd": (1581, 0), "DD": (121, 0), "cat": (64163, 0)},
    "7.2-spo/0-initial": {"dd": (0, 0), "DD": (0, 0), "cat": (47, 0)},
    "7.2-spo/1-dd256": {"dd": (65703, 0), "DD": (0, 0), "cat": (49, 0)},
    "7.2-spo/2-swapped": {"dd": (1128, 64922), "DD": (98678, 0), "cat": (48, 0)},
    "7.2-spo/3-back": {"dd": (65686, 0), "DD": (127, 0), "cat": (50, 0)},
}


class Carried:
    """Hold one stage: its text for the oracles, and its snapshot."""

    def __init__(self, stage: Path, output: Path) -> None:
        """Read the text and take the snapshot."""
        self.stage, self.id = stage, stage_id(stage)
        self.texts = read(stage, "page_owner"), read(stage, "swap_page_owner")
        self.pages, self.entries = framed.memory(self.texts[0]), framed.swap(self.texts[1])
        self.snap = spo.snapshot(from_=stage, output=output, backend="capture")

    def owners(self, key: str) -> Owners:
        """Return the attribution of spo-trace by one key."""
        table = spo.attribute(self.snap, by=[key])
        # Without swap_page_owner, the pages in swap are unknown; the oracles count none.
        rows = zip(table[key], table["mem_pages"], table["swap_pages"].fillna(0), strict=True)
        owners = {"" if pd.isna(name) else str(text_of(name)): (int(mem), int(swap)) for name, mem, swap in rows}
        assert len(owners) == len(table), "a key came twice"
        return owners


# Grouped by stage, so that each text is parsed once, also with `pytest -n auto --dist loadgroup`.
STAGES = [pytest.param(s, id=stage_id(s), marks=pytest.mark.xdist_group(stage_id(s))) for s in stages(CARRIED)]


@pytest.fixture(scope="module", params=STAGES)
def carried(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Carried:
    return Carried(request.param, tmp_path_factory.mktemp("carried") / "x.spo")


def test_totals_are_the_known_ones(carried: Carried) -> None:
    pages, comms = column(carried, "pages", "swapped"), carried.owners("comm").values()
    known = FIGURES[carried.id]
    assert (
        Figures(
            mem_pages=sum(mem for mem, _ in comms),
            swap_pages=sum(swap for _, swap in comms),
            records=len(pages),
            swapped=pages.count(True),
            stacks=len(carried.owners("stack")),
        )
        == known
    )
    by_awk = awk.pages_by_comm(*carried.texts).values()
    assert sum(mem for mem, _ in by_awk) == known.mem_pages
    assert sum(swap for _, swap in by_awk) == known.swap_pages


@pytest.mark.parametrize("carried", [stage for stage in STAGES if stage.id in RFC], indirect=True)
def test_the_rfc_experiment(carried: Carried) -> None:
    by_awk = awk.pages_by_comm(*carried.texts)
    by_spo = carried.owners("comm")
    for comm, known in RFC[carried.id].items():
        assert by_awk.get(comm.encode(), (0, 0)) == known
        assert by_spo.get(comm, (0, 0)) == known
    assert by_spo == {framed.escape(comm): pages for comm, pages in by_awk.items()}


def test_the_rfc_experiment_in_its_own_words() -> None:
    stock, patched = RFC["7.2-stock/3-back"], RFC["7.2-spo/3-back"]
    assert [round(stock[comm][0] / MIB, 2) for comm in ("dd", "cat")] == [6.18, 250.64]
    assert [round(patched[comm][0] / MIB, 2) for comm in ("dd", "cat")] == [256.59, 0.2]
    assert round(RFC["7.2-spo/2-swapped"]["dd"][1] / MIB, 2) == 253.6
    assert FIGURES["7.2-spo/3-back"].swapped == FIGURES["7.2-spo/2-swapped"].swap_pages == 64922


def test_owners_by_comm(carried: Carried) -> None:
    expected = framed.pages_by_comm(carried.pages, carried.entries)
    assert carried.owners("comm") == {framed.escape(comm): pages for comm, pages in expected.items()}


def test_owners_by_stack(carried: Carried) -> None:
    assert carried.owners("stack") == stacks.pages_by_stack(*carried.texts)


def test_every_page_record_in_order(carried: Carried) -> None:
    expected = [(r.number, r.pages, framed.escape(r.comm), r.ts_nsec, r.swapped) for r in carried.pages]
    pages = [1 << order for order in column(carried, "pages", "order")]
    pfn, comm, ts, swapped = (column(carried, "pages", name) for name in ("pfn", "comm", "ts_nsec", "swapped"))
    assert list(zip(pfn, pages, comm, ts, swapped, strict=True)) == expected


def test_every_swap_record_in_order(carried: Carried) -> None:
    expected = [(r.number, framed.escape(r.comm), r.ts_nsec) for r in carried.entries]
    columns = (column(carried, "swap", name) for name in ("swp_entry", "comm", "ts_nsec"))
    assert list(zip(*columns, strict=True)) == expected


def test_pages_by_memcg_line(carried: Carried) -> None:
    names = ("slab", "memcg", "memcg_objcg", "memcg_offline", "order")
    actual: Counter[str] = Counter()
    for slab, memcg, objcg, offline, order in zip(*(column(carried, "pages", n) for n in names), strict=True):
        actual[memcg_line(slab, memcg, objcg, offline)] += 1 << order
    expected = framed.pages_by_memcg(carried.pages)
    assert actual == {framed.escape(line): pages for line, pages in expected.items()}


def test_bytes_and_shares_follow_from_pages(carried: Carried) -> None:
    table = spo.attribute(carried.snap, by=["comm"])
    assert (table["mem_bytes"] == table["mem_pages"] * PAGE_SIZE).all()
    if "swap_page_owner" in carried.snap.meta.files:
        assert (table["swap_bytes"] == table["swap_pages"] * PAGE_SIZE).all()
    else:
        assert table[["swap_pages", "swap_bytes", "swap_cache_bytes"]].isna().all(axis=None)
    both = table["swap_bytes"].fillna(0) - table["swap_cache_bytes"].fillna(0)
    assert (table["total_bytes"] == table["mem_bytes"] + both).all()
    assert table["total_bytes"].is_monotonic_decreasing
    assert table["share"].sum() == pytest.approx(1)


# page_owner_sort cannot print a comm that is empty or contains a newline.
def named_owners(carried: Carried) -> dict[str, int]:
    """Return base pages in memory by comm, for the names that page_owner_sort can print."""
    owners = carried.owners("comm")
    return {comm: pages for comm, (pages, _) in owners.items() if pages and comm and "\\n" not in comm}


def test_stored_output_of_page_owner_sort(carried: Carried) -> None:
    printed = json.loads((CARRIED.parent / "page_owner_sort.json").read_text())["comm_pages"]
    assert named_owners(carried) == printed[carried.id]


@pytest.mark.skipif(peer.available() is not None, reason=str(peer.available()))
def test_page_owner_sort(carried: Carried, tmp_path: Path) -> None:
    text = tmp_path / "page_owner"
    text.write_bytes(carried.texts[0])
    named = {framed.escape(comm): pages for comm, pages in peer.comm_totals(text).items() if comm}
    assert named_owners(carried) == named


def column(carried: Carried, table: str, name: str) -> list[Any]:
    """Return a column of a snapshot's table as plain Python values."""
    frame: pd.DataFrame = getattr(carried.snap, table)
    return frame[name].tolist()


def memcg_line(slab: bool, memcg: Any, objcg: Any, offline: Any) -> str:
    """Return the line that 7.2 prints for these columns; a slab page has no memcg line."""
    if slab:
        return "Slab cache page"
    if pd.isna(memcg):
        return ""
    return f"Charged {'(via objcg) ' if objcg else ''}to {'offline ' if offline else ''}memcg {memcg}"
