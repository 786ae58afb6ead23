# SPDX-License-Identifier: LGPL-2.1-or-later
"""A row exists only if a record exists: no table has a row without a key, 0 bytes and unknown swap."""

from pathlib import Path

import pandas as pd
import pytest

from spo_trace.analysis.growth import growth
from spo_trace.analysis.keys import KEYS
from spo_trace.analysis.question import Question
from spo_trace.api.analyses import ages, attribute, diff
from spo_trace.sampling.series import open_series
from spo_trace.snapshots.reader import Snapshot
from tests.support import MACHINE, Files, entry, page, snapshot_of

ONLY: dict[str, Files] = {
    "memory, no swap_page_owner": {"page_owner": page() + page(0x110, 2, b"cat")},
    "memory, empty swap_page_owner": {"page_owner": page(), "swap_page_owner": b""},
    "swap, no page_owner": {"swap_page_owner": entry(1) + entry(2, b"cat")},
    "swap, empty page_owner": {"page_owner": b"", "swap_page_owner": entry(1)},
    "both": {"page_owner": page(), "swap_page_owner": entry(1)},
}


def empty_rows(table: pd.DataFrame) -> int:
    """Return the number of rows without any amount."""
    amounts = table[[name for name in table.columns if name.endswith(("_bytes", "_pages", "_a", "_b"))]]
    return int((amounts.isna() | (amounts == 0)).all(axis=1).sum())


@pytest.fixture(scope="module", params=ONLY)
def snap(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return snapshot_of(tmp_path_factory.mktemp("snap"), {**MACHINE, **ONLY[request.param]})


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("where", [None, "pid > 99", "swap_type == 9"])
def test_no_table_has_an_empty_row(snap: Snapshot, key: str, where: str | None) -> None:
    for table in (attribute(snap, key, where=where), ages(snap, key, where=where), diff(snap, snap, key, where=where)):
        assert empty_rows(table) == 0
        assert where is None or table.empty
    assert where or len(attribute(snap, key)) >= 1


def test_ungrouped_amounts_are_one_row_even_without_records(snap: Snapshot) -> None:
    assert len(attribute(snap, [], where="pid > 99")) == 1
    assert len(diff(snap, snap, [], where="pid > 99")) == 1


def test_a_difference_that_leaves_swap_out_has_no_rows_of_swap_alone(tmp_path: Path) -> None:
    # GIVEN swap owners in only one snapshot, one of whom has no memory
    one = snapshot_of(tmp_path, {**MACHINE, "page_owner": page()}, name="a")
    files = {**MACHINE, "page_owner": page(), "swap_page_owner": entry(1) + entry(2, b"swapped")}
    other = snapshot_of(tmp_path, files, name="b")
    for key in ("comm", "type", "memcg"):
        for pair in ((one, other), (other, one)):
            assert empty_rows(diff(*pair, key)) == 0
            assert diff(*pair, key)["total_bytes_b"].sum() == 4096


@pytest.mark.parametrize("key", ["node", "memcg", "comm", "type"])
def test_samples_have_no_empty_owners(tmp_path: Path, key: str) -> None:
    for number in range(3):
        files = {**MACHINE, "page_owner": page(), "uptime": b"%d.0 1\n" % (100 + number)}
        snapshot_of(tmp_path, files, name=str(number))
    series = open_series(str(tmp_path), Question.of([key]))
    assert empty_rows(series.table) == 0
    assert len(growth(series.table, [key])) == 1
