# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sums by keys over batches: equal to those that pandas computes of all rows at once."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from spo_trace.analysis import group_sums
from spo_trace.analysis.group_sums import GroupSums

ROWS = 300
NAMES = ["a", "b", "", "c", None]
STACKS = [("f", "g"), ("f",), None]


def batch(seed: int, rows: int = ROWS) -> pd.DataFrame:
    """Return random rows; each batch has categories of its own."""
    random = np.random.default_rng(seed)

    def picked(values: Sequence[object]) -> list[object]:
        return [values[place] for place in random.integers(0, len(values), rows)]

    return pd.DataFrame(
        {
            "comm": pd.Categorical(picked(NAMES[seed % 3 :])),
            "memcg": pd.Series(picked(NAMES), dtype="string"),
            "pid": pd.Series(picked([1, 2, None]), dtype="Int32"),
            "slab": pd.Series(picked([True, False, None]), dtype="boolean"),
            "stack": pd.Series(picked(STACKS), dtype=object),
            "known": np.array(picked([True, False]), dtype=bool),
            "mem": pd.Series(picked([1, 512, None]), dtype="Int64"),
            "swap": random.integers(0, 3, rows),
        }
    )


def by_pandas(batches: Sequence[pd.DataFrame], keys: list[str], amounts: list[str]) -> pd.DataFrame:
    text = [rows.astype({"comm": "string"}) for rows in batches]
    rows = pd.concat(text, ignore_index=True).astype(dict.fromkeys(amounts, "Int64"))
    return rows.groupby(keys, dropna=False, sort=False, observed=True)[amounts].sum(min_count=1).reset_index()


def summed(batches: Sequence[pd.DataFrame], keys: list[str], amounts: list[str]) -> pd.DataFrame:
    sums = GroupSums(keys, amounts)
    for rows in batches:
        sums.add(rows, {name: rows[name] for name in amounts})
    return sums.table()


@pytest.mark.parametrize(
    "keys",
    [["comm"], ["pid"], ["stack"], ["known"], ["comm", "pid"], ["comm", "memcg", "pid", "slab", "known"]],
    ids="-".join,
)
@pytest.mark.parametrize("batches", [1, 4])
def test_sums_are_those_of_pandas(keys: list[str], batches: int) -> None:
    parts = [batch(seed) for seed in range(batches)]

    found, expected = (one(parts, keys, ["mem", "swap"]) for one in (summed, by_pandas))

    assert len(expected) > 1
    assert_frame_equal(found, expected)


# Codes of many keys with many values do not fit into one number.
def test_many_values_of_many_keys_are_numbered_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_sums, "_MAX_NUMBER", 20)
    parts, keys = [batch(seed) for seed in range(3)], ["comm", "memcg", "pid", "slab"]

    assert_frame_equal(summed(parts, keys, ["swap"]), by_pandas(parts, keys, ["swap"]))


def test_an_amount_is_missing_where_no_row_has_it() -> None:
    sums = GroupSums(["pid"], ["mem", "swap"])
    sums.add(pd.DataFrame({"pid": [1, 1, 2]}), {"mem": pd.Series([4, None, None], dtype="Int64")})

    table = sums.table()
    assert table["pid"].to_list() == [1, 2]
    assert table["mem"].to_list() == [4, pd.NA]
    assert table["swap"].to_list() == [pd.NA, pd.NA]


@pytest.mark.parametrize("rows", [0, 3])
def test_without_keys_there_is_one_row(rows: int) -> None:
    sums = GroupSums([], ["mem"])
    sums.add(pd.DataFrame(index=range(rows)), {"mem": np.ones(rows, "int64")})

    assert sums.table()["mem"].to_list() == [3 if rows else pd.NA]


def test_a_batch_without_rows_changes_nothing() -> None:
    parts = [batch(0), batch(1, rows=0), batch(2)]

    assert_frame_equal(summed(parts, ["comm", "pid"], ["mem"]), by_pandas(parts, ["comm", "pid"], ["mem"]))


# 2**53 + 1 is no floating-point number.
def test_sums_are_exact() -> None:
    sums = GroupSums(["pid"], ["mem"])
    sums.add(pd.DataFrame({"pid": [1, 1]}), {"mem": np.array([2**53, 1])})

    assert sums.table()["mem"].to_list() == [2**53 + 1]
