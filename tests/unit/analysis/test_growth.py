# SPDX-License-Identifier: LGPL-2.1-or-later
"""Current amounts of owners, and their growth over a series of samples."""

import pandas as pd

from spo_trace.analysis.growth import growth
from spo_trace.analysis.history import history, rows_of


def series() -> pd.DataFrame:
    """Return three samples: dd is swapped out, cat starts, an unnamed owner exits; the last row has no owner."""
    rows = [
        *[(1, 0.0, "dd", 100, 0), (1, 0.0, None, 50, 0)],
        *[(2, 10.0, "dd", 60, 60), (2, 10.0, "cat", 5, 0)],
        *[(3, 20.0, "dd", 0, 130), (3, 20.0, "cat", 4, 0), (3, 20.0, "none", 0, 0)],
    ]
    table = pd.DataFrame(rows, columns=["sample", "seconds", "comm", "mem_bytes", "swap_bytes"])
    table = table.assign(
        key_known=table["comm"].notna(), swap_cache_bytes=0, total_bytes=table["mem_bytes"] + table["swap_bytes"]
    )
    return table.astype({"comm": "string"})


def test_growth() -> None:
    table = growth(series(), ["comm"])
    assert table["comm"].fillna("-").tolist() == ["dd", "cat", "-"]
    assert table["mem_bytes"].tolist() == [0, 4, 0]
    assert table["swap_bytes"].tolist() == [130, 0, 0]
    assert table["interval_delta"].tolist() == [10, -1, 0]
    assert table["growth_delta"].tolist() == [30, 4, -50]
    assert table["rate"].tolist() == [1.5, 0.2, -2.5]
    assert table["past"].tolist() == [[100, 120, 130], [0, 5, 4], [50, 0, 0]]


def test_without_keys_growth_is_that_of_the_sum() -> None:
    by_comm, everything = growth(series(), ["comm"]), growth(series(), [])
    names = ["mem_bytes", "swap_bytes", "total_bytes", "interval_delta", "growth_delta"]
    assert everything[names].to_numpy().tolist() == [by_comm[names].sum().tolist()]


def test_the_first_sample_has_no_growth() -> None:
    first = series().query("sample == 1")
    table = growth(first, ["comm"])
    assert table[["interval_delta", "growth_delta"]].to_numpy().tolist() == [[0, 0], [0, 0]]
    assert table["rate"].isna().all()


def test_memory_and_swap_that_are_not_distinguished_are_missing() -> None:
    table = growth(series().assign(mem_bytes=[float("nan")] * 7, swap_bytes=[float("nan")] * 7), ["comm"])
    assert table["mem_bytes"].isna().all() and table["swap_bytes"].isna().all()
    assert table["total_bytes"].tolist() == [130, 4, 0]


def test_rows_of_a_history() -> None:
    found = history(series(), ["comm"], ["total_bytes"])
    owners = pd.DataFrame({"comm": pd.array(["cat", None, "dd"], "string")})
    assert found.amounts["total_bytes"][rows_of(found, owners)].tolist() == [[0, 5, 4], [50, 0, 0], [100, 120, 130]]


def test_swap_that_became_unknown_is_missing() -> None:
    # GIVEN the first swap, whose owners lack the key, in the second sample
    rows = [(1, 0.0, "web", True, 5, 0), (2, 9.0, "web", True, 5, None), (2, 9.0, None, False, None, 3)]
    table = pd.DataFrame(rows, columns=["sample", "seconds", "memcg", "key_known", "mem_bytes", "swap_bytes"])
    table = table.assign(swap_cache_bytes=table["mem_bytes"] * 0, total_bytes=[5, 5, 3])
    found = growth(table.astype({"memcg": "string"}), ["memcg"])
    assert found["memcg"].fillna("?").tolist() == ["?", "web"]
    assert found["mem_bytes"].fillna(-1).tolist() == [-1, 5]
    assert found["swap_bytes"].fillna(-1).tolist() == [3, -1]
    # AND the sum is known
    assert growth(table, [])[["mem_bytes", "swap_bytes"]].to_numpy().tolist() == [[5, 3]]
