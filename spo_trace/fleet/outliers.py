# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hosts that differ from the others: by median and MAD among hosts of one kind, else by rarity."""

import re
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from spo_trace.analysis.where import Condition
from spo_trace.errors import Argument, UsageError
from spo_trace.fleet.answers import Source, answer
from spo_trace.fleet.choosing import Chosen, value_of
from spo_trace.fleet.keys import FRAMES, FleetKey, fleet_key
from spo_trace.schema import KEY_KNOWN

__all__ = ["check_fold", "check_outlier_keys", "outliers_of"]

# A host is an outlier beyond this many standard deviations, which are 1.4826 MAD where values are normal.
_DEVIATIONS = 5 * 1.4826

# Less than this share of a host's memory is no problem of the host.
_LEAST_SHARE = 0.01

# What fewer hosts have is rare.
_RARE = 0.05


def check_outlier_keys(keys: Sequence[FleetKey], within: str | None) -> None:
    """Raise UsageError for keys of hosts in `by`, and for keys of records in `within`."""
    for key in keys:
        if not key.of_record:
            raise UsageError(f"outliers compares hosts: {key.name} is no key for it", hint="choose a key of records")
    if within is not None and fleet_key(within).of_record:
        raise UsageError(
            (Argument("within"), f": {within} is no key of hosts"), hint="choose label.NAME, kernel or arch"
        )


def check_fold(fold: str | None) -> "re.Pattern[str] | None":
    """Return the compiled expression; raise UsageError if it is none."""
    try:
        return None if fold is None else re.compile(fold)
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError((Argument("fold"), f": {error}"), hint="for example: '[0-9a-f]{8,}'") from error


def outliers_of(
    source: Source, chosen: Chosen, condition: Condition, within: str | None, fold: "re.Pattern[str] | None"
) -> pd.DataFrame:
    """Return the outliers among the chosen hosts, most bytes first.

    With `within`: that key, host, the keys, key_known, total_bytes, median_bytes and mad_bytes (of the hosts with the
    same value; a host without the owner has 0), above_bytes (above the median). Without it: host, the keys, key_known,
    hosts (that have the owner) and total_bytes. `fold`: what matches it in names becomes `*`.
    """
    if chosen.known("swap") < chosen.machines:
        chosen = chosen.without_swap()
    names = [key.name for key in chosen.keys]
    rows = _folded(answer(source, "hosts", chosen, condition), names, fold)
    last = chosen.rows.groupby("machine").tail(1).set_index("machine")
    rows["host"] = rows["machine"].map(last["host"])
    rows["least"] = rows["machine"].map(rows.groupby("machine")["total_bytes"].sum()) * _LEAST_SHARE
    owners = [*names, KEY_KNOWN]
    if within is None:
        return _rare(rows, owners, chosen.machines)
    groups = pd.Series(value_of(last, within), index=last.index, dtype="string")
    rows[within] = rows["machine"].map(groups)
    return _above(rows, owners, within, groups)


def _rare(rows: pd.DataFrame, owners: list[str], machines: int) -> pd.DataFrame:
    rows["hosts"] = rows.groupby(owners, dropna=False)["machine"].transform("size").astype("Int64")
    found = rows[(rows["hosts"] < machines * _RARE) & (rows["total_bytes"] >= rows["least"])]
    found = found.sort_values(["total_bytes", "host", *owners], ascending=[False, *[True] * (len(owners) + 1)])
    return found[["host", *owners, "hosts", "total_bytes"]].reset_index(drop=True)


def _above(rows: pd.DataFrame, owners: list[str], within: str, groups: pd.Series) -> pd.DataFrame:
    # Hosts without the label are compared with each other.
    sizes = {str(name): int(number) for name, number in groups.fillna("").value_counts().items()}
    middle = [
        (*own[[within, *owners]].iloc[0], *_median_and_mad(own["total_bytes"], sizes[own[within].fillna("").iloc[0]]))
        for _, own in rows.groupby([within, *owners], dropna=False, sort=False)
    ]
    types = {name: rows[name].dtype for name in (within, *owners)}
    by_owner = pd.DataFrame(middle, columns=[*types, "median_bytes", "mad_bytes"]).astype(types)
    rows = rows.merge(by_owner, on=[within, *owners], how="left")
    rows["above_bytes"] = rows["total_bytes"] - rows["median_bytes"]
    limit = np.maximum(rows["mad_bytes"] * _DEVIATIONS, rows["least"].astype(float))
    found = rows[(rows["above_bytes"] > limit)]
    found = found.sort_values(["above_bytes", "host", *owners], ascending=[False, *[True] * (len(owners) + 1)])
    columns = [within, "host", *owners, "total_bytes", "median_bytes", "mad_bytes", "above_bytes"]
    amounts = dict.fromkeys(columns[-4:], "Int64")
    return found[columns].round(dict.fromkeys(amounts, 0)).astype(amounts).reset_index(drop=True)


# Hosts without the owner have 0 of it.
def _median_and_mad(sizes: pd.Series, hosts: int) -> tuple[float, float]:
    values = np.zeros(hosts)
    values[: len(sizes)] = sizes.to_numpy(float)
    median = float(np.median(values))
    return median, float(np.median(np.abs(values - median)))


def _folded(rows: pd.DataFrame, names: Iterable[str], fold: "re.Pattern[str] | None") -> pd.DataFrame:
    if fold is None:
        return rows
    names = list(names)
    for name in names:
        if rows[name].dtype == "string" and name not in FRAMES:
            short = {value: fold.sub("*", value) for value in rows[name].dropna().unique()}
            rows[name] = rows[name].map(short).astype("string")
    return rows.groupby(["machine", *names, KEY_KNOWN], dropna=False)[["total_bytes"]].sum().reset_index()
