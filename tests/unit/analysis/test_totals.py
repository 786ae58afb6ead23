# SPDX-License-Identifier: LGPL-2.1-or-later
"""The sums of a table's amounts, not of its keys; unknown sums are None, also without rows."""

from pathlib import Path

import pytest

from spo_trace.analysis.keys import KEYS
from spo_trace.analysis.totals import totals
from spo_trace.api.analyses import attribute, diff
from tests.support import MACHINE, Files, entry, page, snapshot_of

KNOWN: Files = {**MACHINE, "page_owner": page(order=3) + page(0x200), "swap_page_owner": entry(1)}
ALONE: Files = {**MACHINE, "page_owner": page(order=3) + page(0x200)}


@pytest.mark.parametrize("key", KEYS)
def test_every_grouping_has_the_same_totals(tmp_path: Path, key: str) -> None:
    assert totals(attribute(snapshot_of(tmp_path, KNOWN), key)) == {
        **{"mem_pages": 9, "swap_pages": 1, "mem_bytes": 9 * 4096, "swap_bytes": 4096, "total_bytes": 10 * 4096},
        **{"swap_cache_pages": 0, "swap_cache_bytes": 0},
    }


@pytest.mark.parametrize("where", [None, "order > 9"])
def test_unknown_is_none(tmp_path: Path, where: str | None) -> None:
    found = totals(attribute(snapshot_of(tmp_path, ALONE), where=where))
    unknown = {f"{name}_{unit}" for name in ("swap", "swap_cache") for unit in ("pages", "bytes")}
    assert {name for name, size in found.items() if size is None} == unknown


@pytest.mark.parametrize("by", ["comm", "stack", ()])
def test_nothing_selected_is_zero(tmp_path: Path, by: str | tuple[str, ...]) -> None:
    # GIVEN a condition that each record has the keys for, but none matches
    snap = snapshot_of(tmp_path, KNOWN)
    where = 'comm == "nobody"'
    # THEN all amounts are known
    assert set(totals(attribute(snap, by, where=where)).values()) == {0}
    assert set(totals(diff(snap, snap, by, where=where)).values()) == {0}


@pytest.mark.parametrize("by", ["comm", "stack", ()])
def test_nothing_selected_from_what_can_be_selected_from(tmp_path: Path, by: str | tuple[str, ...]) -> None:
    found = totals(attribute(snapshot_of(tmp_path, KNOWN), by, where="order > 9"))
    assert {name for name, size in found.items() if size == 0} == {"mem_pages", "mem_bytes", "total_bytes"}
