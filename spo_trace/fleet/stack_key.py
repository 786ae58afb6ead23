# SPDX-License-Identifier: LGPL-2.1-or-later
"""The key by which stacks of two sides of a fleet are compared: exact, by function names, or what kernels share."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from spo_trace.analysis.stack_match import Match, matched_keys
from spo_trace.fleet.answers import Source, stacks_in
from spo_trace.fleet.choosing import Chosen
from spo_trace.fleet.keys import COMMON_STACK, FleetKey, fleet_key
from spo_trace.stacks.common_key import functions_in

__all__ = ["comparable_keys", "match_of_sides", "with_common_stacks"]

_RELEASE = ["kernel", "arch"]
_BUILD = [*_RELEASE, "kernel_version"]


def match_of_sides(a: Chosen, b: Chosen) -> Match:
    """Return how stacks are matched: exact if both sides have the same builds, symbols if the same releases."""
    rows = a.rows, b.rows
    # One boot is of one build, even if the snapshots do not tell which.
    if _same(*(_kernels(side, _BUILD, "boot_id") for side in rows)):
        return Match.EXACT
    return Match.SYMBOLS if _same(*(_kernels(side, _RELEASE) for side in rows)) else Match.COMMON


def comparable_keys(keys: Sequence[FleetKey], match: Match) -> list[FleetKey]:
    """Return the keys with that of the matched stacks in place of `stack`, which has offsets that differ by build."""
    names = matched_keys([key.name for key in keys], match)
    return [COMMON_STACK if name == COMMON_STACK.name else fleet_key(name) for name in names]


def with_common_stacks(source: Source, a: Chosen, b: Chosen) -> Source:
    """Return the source with the key `common` of each stack: the innermost functions that both sides have.

    Of each side, the kernels count that the other one lacks: while a new kernel is rolled out, both have the old one.
    """
    kernels = [_kernels(side.rows, _RELEASE) for side in (a, b)]
    apart = [_without(a, kernels[1]), _without(b, kernels[0])]
    first, second = (functions_in(stacks_in(source, side)) for side in apart)
    return replace(source, stacks=source.stacks.with_common(first & second))


# None stands for a kernel that is unknown.
_Kernels = set[tuple[str, ...] | None]


def _kernels(rows: pd.DataFrame, columns: list[str], instead: str | None = None) -> _Kernels:
    return set(_each_kernel(rows, columns, instead))


def _each_kernel(rows: pd.DataFrame, columns: list[str], instead: str | None = None) -> list[tuple[str, ...] | None]:
    named = zip(*(rows[name].fillna("") for name in columns), strict=True)
    others = rows[instead].fillna("") if instead else [""] * len(rows)
    return [kernel if kernel[0] else (other,) if other else None for kernel, other in zip(named, others, strict=True)]


def _same(a: _Kernels, b: _Kernels) -> bool:
    return a == b and None not in a


def _without(side: Chosen, kernels: _Kernels) -> Chosen:
    own = [kernel is None or kernel not in kernels for kernel in _each_kernel(side.rows, _RELEASE)]
    return Chosen(side.rows[own], side.keys) if any(own) else side
