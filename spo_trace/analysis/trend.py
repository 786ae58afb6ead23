# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trends: which owners grow steadily, how fast, and with what confidence."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from spo_trace.analysis.history import history
from spo_trace.analysis.keys import owner_columns
from spo_trace.analysis.order import Orders, order_of, sort_rows
from spo_trace.errors import Argument, Call, SpoTraceError, UsageError
from spo_trace.reporters.export_formats import WEIGHTS

__all__ = ["ORDERS", "trend"]

# What `trend` can sort by, besides the keys.
ORDERS = Orders(
    {"least": "rate_low", "rate": "rate", "first": "first_bytes", "last": "last_bytes", "steadiness": "steadiness"},
    ["rate_error"],
)

Floats = npt.NDArray[np.float64]

# With fewer samples there is no standard error: a line through two points always fits.
_FEWEST = 3


def trend(series: pd.DataFrame, keys: list[str], *, weight: str = "total", sort: str | None = None) -> pd.DataFrame:
    """Fit a straight line to each owner's samples, most certain growth first.

    `series`: samples in long form, with the columns sample, seconds, the keys, key_known, and `weight`_bytes (total,
    mem or swap). Columns of the result: the keys, key_known, first_bytes and last_bytes (of the first and last sample),
    rate (the slope, bytes per second), rate_error (its standard error), rate_low (the lower end of the 95 % confidence
    interval of the slope: the lower one of two fits, with and without the owner's largest step) and steadiness (R²: 1
    on a straight line; missing if nothing changed). An owner that a sample lacks counts as 0 there. `sort`: one of
    ORDERS or a key. Raise SpoTraceError for fewer than three samples.
    """
    order = None if sort is None else order_of(sort, ORDERS, keys)
    if weight not in WEIGHTS:
        raise UsageError(f"there is no weight {weight!r}", hint=f"choose one of {', '.join(WEIGHTS)}")
    _check_known(series, weight)
    columns = owner_columns(keys)
    found = history(series, columns, [f"{weight}_bytes"])
    seconds, amounts = found.seconds, found.amounts[f"{weight}_bytes"]
    if len(seconds) < _FEWEST:
        raise SpoTraceError(
            f"too few samples for a trend: {len(seconds)}",
            hint="take at least three; ten give a much smaller error",
        )
    rate, error, low, steadiness = _fit(seconds, amounts)
    low_without_step = _fit(seconds, _without_largest_step(seconds, amounts))[2]
    table = found.owners.copy()
    table["first_bytes"] = amounts[:, 0].astype("int64")
    table["last_bytes"] = amounts[:, -1].astype("int64")
    table["rate"] = rate
    table["rate_error"] = error
    table["rate_low"] = np.minimum(low, low_without_step)
    table["steadiness"] = pd.Series(steadiness, dtype="Float64")
    # Owners that never changed rank below those that may have grown.
    changed = table["steadiness"].notna()
    ranking = ["changed", "rate_low", "last_bytes", *columns]
    ranked = table.assign(changed=changed).sort_values(ranking, ascending=[False] * 3 + [True] * len(columns))
    ranked = ranked.drop(columns="changed").reset_index(drop=True)
    return ranked if order in (None, "rate_low") else sort_rows(ranked, order, keys)


def _check_known(series: pd.DataFrame, weight: str) -> None:
    if not series[f"{weight}_bytes"].isna().all():
        return
    if series.reindex(columns=["mem_bytes", "swap_bytes"]).isna().all(axis=None):
        hint = (Argument("weight", "total"), ", or take the samples with ", Call("watch", method="text"))
        raise UsageError("the kernel's counts do not distinguish memory from swap", hint=hint)
    names = {"mem": "memory", "swap": "swap"}
    raise UsageError(
        f"the owners of {names[weight]} are unknown in these samples",
        hint=(Argument("weight", "total"), " uses the sum of the known amounts"),
    )


# Slope, its standard error, the lower end of its 95 % confidence interval, and R², of each row of `amounts`.
def _fit(seconds: Floats, amounts: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    x = seconds - seconds.mean()
    y = amounts - amounts.mean(axis=1, keepdims=True)
    slope = y @ x / (x @ x)
    rest = y - slope[:, None] * x
    # Ignore rounding errors of floating point in rows that lie exactly on the line.
    rest[np.abs(rest) < 1e-6 * (1 + np.abs(amounts).max(axis=1, keepdims=True))] = 0
    rest_squares, all_squares = (rest**2).sum(axis=1), (y**2).sum(axis=1)
    free = np.maximum(_independent(rest, rest_squares) - 2, 1)
    error = np.sqrt(rest_squares / free / (x @ x))
    steadiness = 1 - np.divide(rest_squares, all_squares, out=np.full(len(rest), np.nan), where=all_squares > 0)
    return slope, error, slope - _t95(free) * error, steadiness


# One large step, such as a file that is written once, also fits a line with a positive slope. A leak grows without its
# largest step, too. So this step is replaced by the median rate of the other steps.
def _without_largest_step(seconds: Floats, amounts: Floats) -> Floats:
    passed = np.diff(seconds)
    steps = np.diff(amounts, axis=1)
    rows, largest = np.arange(len(steps)), steps.argmax(axis=1)
    rates = steps / passed
    rates[rows, largest] = np.nan
    steps[rows, largest] = np.nanmedian(rates, axis=1) * passed[largest]
    return np.hstack([amounts[:, :1], amounts[:, :1] + steps.cumsum(axis=1)])


# The effective number of independent samples. After a jump, or while a cache fills, each sample's residual is close to
# that of the previous one. The usual standard error assumes independent residuals and would be far too small. With
# their lag-1 autocorrelation r, n samples are worth n (1 − r) / (1 + r) independent ones: Santer et al.,
# J. Geophys. Res. 105 (2000), 7337.
def _independent(rest: Floats, left: Floats) -> Floats:
    following = (rest[:, 1:] * rest[:, :-1]).sum(axis=1)
    correlation = np.clip(np.divide(following, left, out=np.zeros(len(left)), where=left > 0), 0, 1)
    worth: Floats = rest.shape[1] * (1 - correlation) / (1 + correlation)
    return worth


# Student's t of 97.5 % by degrees of freedom; in between, it is almost linear in their inverse.
_FREE = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, np.inf)
_T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.086, 1.960)


def _t95(free: Floats) -> Floats:
    t: Floats = np.interp(1 / free, [1 / number for number in reversed(_FREE)], _T95[::-1])
    return t
