# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sums of amounts by keys over batches of rows. The keys' values are numbered; memory grows with the groups alone."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["GroupSums"]

Numbers: TypeAlias = npt.NDArray[np.int64]

_MAX_NUMBER = 1 << 62


class _Codes(NamedTuple):
    """Hold a column as the place of each row's value in `values`, plus 1; 0 if the value is missing."""

    codes: Numbers
    values: pd.api.extensions.ExtensionArray


class _Groups(NamedTuple):
    """Hold for each group its value of each key, and the sum of each amount with whether any of its rows has one."""

    keys: list[_Codes]
    sums: list[Numbers]
    known: list[npt.NDArray[np.bool_]]


class GroupSums:
    """Sum amounts by keys, batch by batch, as pandas' `groupby(keys, dropna=False).sum(min_count=1)` does of all rows.

    pandas takes more than twice as long, because it makes an index of the keys' values for each batch.
    """

    def __init__(self, keys: Sequence[str], amounts: Sequence[str]) -> None:
        self._keys = list(keys)
        self._amounts = list(amounts)
        self._batches: list[_Groups] = []

    def add(self, keys: pd.DataFrame, amounts: Mapping[str, "pd.Series | Numbers"]) -> None:
        """Add rows with these `keys`. `amounts`: int64 or nullable integers; one that is left out is missing."""
        columns = [_coded(keys[name]) for name in self._keys]
        values, known = zip(*(_split(amounts.get(name), len(keys)) for name in self._amounts), strict=True)
        self._batches.append(_grouped(columns, values, known, len(keys)))

    def table(self) -> pd.DataFrame:
        """Return the keys and amounts (Int64) of each group, in the order in which the groups were seen first.

        Text is of dtype `string`. A missing amount was missing in all rows. Without keys, there is one row.
        """
        batches = self._batches
        columns = [_united(parts) for parts in zip(*(batch.keys for batch in batches), strict=True)]
        sums = [np.concatenate(parts) for parts in zip(*(batch.sums for batch in batches), strict=True)]
        known = [np.concatenate(parts) for parts in zip(*(batch.known for batch in batches), strict=True)]
        groups = _grouped(columns, sums, known, len(sums[0]))
        found = {name: _decoded(column) for name, column in zip(self._keys, groups.keys, strict=True)}
        for name, amount, is_known in zip(self._amounts, groups.sums, groups.known, strict=True):
            found[name] = pd.arrays.IntegerArray(amount, ~is_known)
        return pd.DataFrame(found)


def _grouped(
    columns: list[_Codes], amounts: Iterable[Numbers], known: Iterable[npt.NDArray[np.bool_]], rows: int
) -> _Groups:
    group, first = _numbered([(column.codes, len(column.values) + 1) for column in columns], rows)
    keys = [_Codes(column.codes[first], column.values) for column in columns]
    sums, any_known = [], []
    for amount, is_known in zip(amounts, known, strict=True):
        total = np.zeros(len(first), "int64")
        np.add.at(total, group, amount)
        sums.append(total)
        seen = np.zeros(len(first), np.bool_)
        seen[group[is_known]] = True
        any_known.append(seen)
    return _Groups(keys, sums, any_known)


# The group of each row, and a row of each group. `columns`: the codes, and how many codes there are. Without columns,
# all rows are one group, which exists without rows, too.
def _numbered(columns: Sequence[tuple[Numbers, int]], rows: int) -> tuple[Numbers, Numbers]:
    group, groups = np.zeros(rows, "int64"), 1
    for codes, size in columns:
        if groups * size > _MAX_NUMBER:
            group, found = pd.factorize(group)
            groups = len(found)
        group, groups = group * size + codes, groups * size
    if columns:
        group, found = pd.factorize(group)
        groups = len(found)
    first = np.zeros(groups, "int64")
    first[group[::-1]] = np.arange(rows - 1, -1, -1)
    return group, first


def _coded(column: pd.Series) -> _Codes:
    if isinstance(column.dtype, pd.CategoricalDtype):
        # Batches have categories of their own.
        return _Codes(column.cat.codes.to_numpy().astype("int64") + 1, column.cat.categories.astype("string").array)
    return _factorized(column)


def _factorized(column: pd.Series) -> _Codes:
    # The index that pandas makes of a Series of tuples would be one of several levels.
    codes, values = pd.factorize(column.to_numpy() if column.dtype == object else column.array)
    return _Codes(codes + 1, pd.arrays.NumpyExtensionArray(values) if isinstance(values, np.ndarray) else values)


# Columns of several batches as one, with the values of all.
def _united(parts: Sequence[_Codes]) -> _Codes:
    if len(parts) == 1:
        return parts[0]
    codes, values = _factorized(pd.concat([pd.Series(part.values) for part in parts], ignore_index=True))
    starts = np.cumsum([0, *(len(part.values) for part in parts)])
    of_part = [np.append(0, codes[start:][: len(part.values)]) for start, part in zip(starts, parts, strict=False)]
    united = [places[part.codes] for places, part in zip(of_part, parts, strict=True)]
    return _Codes(np.concatenate(united), values)


def _decoded(column: _Codes) -> pd.api.extensions.ExtensionArray:
    return column.values.take(column.codes - 1, allow_fill=bool((column.codes == 0).any()))


def _split(amount: "pd.Series | Numbers | None", rows: int) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    if amount is None:
        return np.zeros(rows, "int64"), np.zeros(rows, np.bool_)
    column = pd.Series(amount)
    return column.fillna(0).to_numpy("int64"), column.notna().to_numpy(np.bool_)
