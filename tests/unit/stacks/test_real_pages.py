# SPDX-License-Identifier: LGPL-2.1-or-later
"""The meaning of the pages of real kernels, compared page by page with their flags and with /proc/meminfo."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest

import spo_trace as spo
from spo_trace.snapshots.reader import Snapshot
from tests.oracle.captures import CARRIED
from tests.page_kinds import KNOWN, allocators_as_callers, compare, lines

STAGES = sorted((CARRIED.parent / "captures-kinds").iterdir())
SCRATCH = TemporaryDirectory()
each_stage = pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)


@cache
def snapshot(stage: Path) -> Snapshot:
    return spo.snapshot(from_=stage, output=Path(SCRATCH.name) / f"{stage.name}.spo")


@cache
def compared(stage: Path) -> pd.DataFrame:
    return compare(stage, snapshot(stage))


def test_there_are_stages() -> None:
    assert len(STAGES) == 4


@each_stage
def test_no_page_has_a_wrong_category(stage: Path) -> None:
    table = compared(stage)
    counted = table.groupby("verdict")["pages"].sum()

    assert table[table["verdict"] == "wrong"].to_dict("records") == []
    assert {name: pages for name, pages in counted.items() if name in KNOWN and pages > KNOWN[name].most} == {}
    assert counted["right"] > 15_000


@each_stage
def test_categories_add_up_to_meminfo(stage: Path) -> None:
    sums = lines(stage, snapshot(stage), compared(stage))

    assert {name: line for name, line in sums.items() if not line.agrees} == {}


@each_stage
def test_no_allocator_is_shown_as_the_caller(stage: Path) -> None:
    assert allocators_as_callers(snapshot(stage)) == []


def test_page_tables_of_arm64_with_64k_pages(tmp_path: Path) -> None:
    # GIVEN a capture of a kernel that inlines pte_alloc_one(), without the flags of pages
    stage = next((CARRIED.parent / "captures-64k").iterdir())
    snap = spo.snapshot(from_=stage, output=tmp_path / "now.spo")

    # THEN the pages that __do_fault() allocated are page tables
    tables = spo.attribute(snap, by=["category", "caller"]).query("category == 'page table'").set_index("caller")
    assert tables["mem_pages"].sum() == 31
    assert tables["mem_pages"]["__do_fault"] == 10
