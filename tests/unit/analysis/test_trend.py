# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trends: the fitted line compared with published figures, and growth that is not steady."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from spo_trace.analysis.trend import trend
from spo_trace.errors import SpoTraceError, UsageError

MIB = 1 << 20

# F. J. Anscombe, "Graphs in Statistical Analysis", The American Statistician 27 (1973): the first data set, and the
# figures that the paper gives for it (slope 0.500, its standard error 0.118, R² 0.667).
ANSCOMBE = {4: 4.26, 5: 5.68, 6: 7.24, 7: 4.82, 8: 6.95, 9: 8.81, 10: 8.04, 11: 8.33, 12: 10.84, 13: 7.58, 14: 9.96}


def samples(seconds: list[float] | None = None, **totals: "Sequence[float] | np.ndarray") -> pd.DataFrame:
    """Return samples by comm, a minute apart, in long form."""
    times = seconds or [60.0 * n for n in range(len(next(iter(totals.values()))))]
    rows = [
        {"sample": n, "seconds": at, "comm": comm, "key_known": True, "total_bytes": int(values[n - 1])}
        for comm, values in totals.items()
        for n, at in enumerate(times, 1)
    ]
    return pd.DataFrame(rows)


def row(table: pd.DataFrame, comm: str) -> dict[str, float]:
    """Return the row of a comm."""
    return dict(table.set_index("comm").loc[comm])


def test_slope_error_and_r2_are_the_published_ones() -> None:
    table = trend(samples([float(x) for x in ANSCOMBE], dd=[round(y * 1e8) for y in ANSCOMBE.values()]), ["comm"])
    found = row(table, "dd")
    assert (round(found["rate"] / 1e8, 3), round(found["rate_error"] / 1e8, 3)) == (0.5, 0.118)
    assert round(found["steadiness"], 3) == 0.667
    # Student's t of 9 degrees of freedom is 2.262.
    assert found["rate_low"] <= found["rate"] - 2.262 * found["rate_error"] + 1
    assert (found["first_bytes"], found["last_bytes"]) == (426000000, 996000000)


def test_a_straight_line_has_no_error() -> None:
    found = row(trend(samples(leak=[3 * MIB + n * 600 for n in range(8)]), ["comm"]), "leak")
    assert found["rate"] == pytest.approx(10)
    assert found["rate_error"] == pytest.approx(0, abs=1e-6)
    assert found["rate_low"] == pytest.approx(10)
    assert found["steadiness"] == pytest.approx(1)


def test_samples_need_not_be_equidistant() -> None:
    times = [0.0, 7.0, 8.0, 60.0, 600.0]
    found = row(trend(samples(times, leak=[at * 4096 for at in times]), ["comm"]), "leak")
    assert found["rate_low"] == pytest.approx(4096)


@pytest.mark.parametrize("at", range(1, 10))
@pytest.mark.parametrize("jump", [12, 1000])
def test_one_step_is_not_certain_growth_even_if_large(at: int, jump: int) -> None:
    # GIVEN a leak of 1 MiB per minute, and an owner that allocates much more at once
    table = trend(samples(once=[0] * at + [jump * MIB] * (10 - at), leak=[n * MIB for n in range(10)]), ["comm"])
    # THEN the leak ranks first
    assert list(table["comm"]) == ["leak", "once"]
    assert row(table, "once")["rate_low"] <= 0 < row(table, "once")["rate"]


def test_a_leak_is_found_in_spite_of_a_step() -> None:
    grows = [n * MIB + (50 * MIB if n > 5 else 0) for n in range(12)]
    without = row(trend(samples(leak=[n * MIB for n in range(12)]), ["comm"]), "leak")
    assert row(trend(samples(leak=grows), ["comm"]), "leak")["rate_low"] == pytest.approx(without["rate_low"])


def test_saturation_and_oscillation_are_not_certain_growth() -> None:
    table = trend(
        samples(
            cache=[MIB * (1 - 0.5**n) for n in range(12)],
            heap=[MIB * (5 + [0, 3, 1, 4, 2, 0][n % 6]) for n in range(12)],
            leak=[n * 4096 for n in range(12)],
        ),
        ["comm"],
    )
    assert table["comm"][0] == "leak"
    assert (table.set_index("comm")["rate_low"][["cache", "heap"]] < 0).all()


def test_the_error_of_a_line_through_noise_covers_the_truth() -> None:
    # GIVEN a thousand random series of a leak of 100 B/s with noise
    draw = np.random.default_rng(23)
    truth = 100.0 * 60 * np.arange(30)
    totals = {f"{n}": 10 * MIB + truth + draw.normal(0, 50_000, 30) for n in range(1000)}
    # THEN the lower bound is too high in about 2.5 % of the series, and the error is neither too large nor too small
    table = trend(samples(None, **totals), ["comm"])
    assert (table["rate_low"] > 100).mean() < 0.03
    assert 0.9 < table["rate_error"].mean() / table["rate"].std() < 1.3


def test_a_random_walk_is_rarely_taken_for_a_leak() -> None:
    # GIVEN random walks, in which no sample is independent of the previous one
    draw = np.random.default_rng(23)
    totals = {f"{n}": 500 * MIB + draw.normal(0, MIB, 30).cumsum() for n in range(1000)}
    surely = (trend(samples(None, **totals), ["comm"])["rate_low"] > 0).mean()
    # THEN they are taken for leaks much less often than with the usual error, which assumes independent samples
    rows = np.array(list(totals.values()))
    fits = [np.polyfit(np.arange(30), walk, 1, cov=True) for walk in rows]
    usual = np.mean([line[0] > 2.048 * covariance[0, 0] ** 0.5 for line, covariance in fits])
    assert usual > 0.3
    assert surely < usual / 3


def test_owners_may_appear_vanish_and_lack_a_name() -> None:
    series = pd.DataFrame(
        {
            "sample": [1, 2, 2, 3, 3],
            "seconds": [0.0, 1.0, 1.0, 2.0, 2.0],
            "memcg": pd.array([None, None, "a", None, "a"], "string"),
            "total_bytes": [10, 20, 5, 30, 10],
        }
    )
    series["key_known"] = True
    table = trend(series, ["memcg"])
    assert table["memcg"].isna().tolist() == [True, False]
    assert table[["first_bytes", "last_bytes"]].to_numpy().tolist() == [[10, 30], [0, 10]]


def test_owners_that_never_changed_rank_last() -> None:
    table = trend(samples(same=[MIB] * 4, less=[4, 3, 2, 1]), ["comm"])
    assert list(table["comm"]) == ["less", "same"]
    assert table["steadiness"].isna().tolist() == [False, True]


def test_without_keys_there_is_one_trend() -> None:
    table = trend(samples(a=[1, 2, 3], b=[10, 20, 30]), [])
    assert table[["first_bytes", "last_bytes"]].to_numpy().tolist() == [[11, 33]]


def test_invalid_arguments() -> None:
    with pytest.raises(SpoTraceError, match="too few samples for a trend: 2"):
        trend(samples(a=[1, 2]), ["comm"])
    with pytest.raises(UsageError, match="there is no weight 'pages'"):
        trend(samples(a=[1, 2, 3]), ["comm"], weight="pages")
    with pytest.raises(UsageError, match="do not distinguish memory from swap"):
        trend(samples(a=[1, 2, 3]).assign(mem_bytes=[np.nan] * 3), ["comm"], weight="mem")
    memory = samples(a=[1, 2, 3])
    memory = memory.assign(mem_bytes=memory["total_bytes"], swap_bytes=pd.array([None] * 3, "Int64"))
    with pytest.raises(UsageError, match="the owners of swap are unknown"):
        trend(memory, ["comm"], weight="swap")
