# SPDX-License-Identifier: LGPL-2.1-or-later
"""History: a series of samples as one row for each owner."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["History", "history", "rows_of"]


class History(NamedTuple):
    """Hold the amounts of each owner at each sample.

    `owners`: the keys, one row for each combination of them. `seconds`: time of each sample. `amounts`: for each
    requested column, a matrix in bytes: one row for each owner, one column for each sample, 0 where an owner is absent.
    `known`: for each requested column, whether it has a value in the last sample of each owner.
    """

    owners: pd.DataFrame
    seconds: npt.NDArray[np.float64]
    amounts: dict[str, npt.NDArray[np.float64]]
    known: dict[str, npt.NDArray[np.bool_]]


def history(series: pd.DataFrame, keys: list[str], columns: Sequence[str]) -> History:
    """Return the history of `columns`; `series` has the columns sample, seconds, the keys and these.

    Owners that have nothing in any sample are left out.
    """
    samples = series.drop_duplicates("sample").sort_values("sample", ignore_index=True)
    place = samples["sample"].searchsorted(series["sample"])
    row = series.groupby(keys, sort=False, dropna=False, observed=True).ngroup() if keys else series["sample"] * 0
    owners = series[~row.duplicated()][keys].reset_index(drop=True)
    amounts = {name: np.zeros((len(owners), len(samples))) for name in columns}
    known = {name: np.zeros(len(owners), np.bool_) for name in columns}
    is_last = place == pd.Series(place, index=row.index).groupby(row).transform("max")
    for name, matrix in amounts.items():
        known[name][row[is_last & series[name].notna()].unique()] = True
        # A float64 is exact for the bytes of one owner, which are below 2**53.
        np.add.at(matrix, (row.to_numpy(), place), series[name].fillna(0).to_numpy("float64"))
    has = np.any([matrix.any(axis=1) for matrix in amounts.values()], axis=0)
    # Categories would sort by first appearance, not by name.
    plain = owners[has].astype(object).convert_dtypes() if keys else owners[has]
    kept = {name: matrix[has] for name, matrix in amounts.items()}
    seconds = samples["seconds"].to_numpy("float64")
    return History(plain.reset_index(drop=True), seconds, kept, {name: of[has] for name, of in known.items()})


def rows_of(found: History, owners: pd.DataFrame) -> list[int]:
    """Return the row number of each of `owners` in the history `found`; `owners` has its keys as columns."""
    keys = list(found.owners.columns)
    if not keys:
        return [0] * len(owners)
    # pandas matches missing keys with each other, as needed here.
    numbered = found.owners.astype(object).assign(row=range(len(found.owners)))
    return owners[keys].astype(object).merge(numbered, on=keys, how="left")["row"].tolist()
