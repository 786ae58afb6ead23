# SPDX-License-Identifier: LGPL-2.1-or-later
"""How stacks of two snapshots are matched: frame by frame, by function names, or by what two kernels have in common."""

from collections.abc import Sequence, Set
from enum import StrEnum

import pandas as pd

from spo_trace.analysis.keys import suggest
from spo_trace.analysis.stack_keys import NO_STACK, is_known
from spo_trace.errors import Argument, UsageError
from spo_trace.snapshots.reader import Snapshot
from spo_trace.stacks.common_key import common_key, functions_in

__all__ = ["STACK_COLUMNS", "Match", "common_stack", "match_of", "matched_keys", "with_common_keys"]


class Match(StrEnum):
    """By what the key `stack` of two snapshots is matched."""

    # By the kernels: exact for one build, symbols for one release, else common.
    AUTO = "auto"
    EXACT = "exact"
    SYMBOLS = "symbols"
    COMMON = "common"


# The column of a difference that has the matched stacks.
STACK_COLUMNS = {Match.EXACT: "stack", Match.SYMBOLS: "symbols", Match.COMMON: "common"}


def match_of(given: object, keys: Sequence[str]) -> Match:
    """Return how the stacks of a question by `keys` are to be matched; raise UsageError for what does not exist.

    It is an error, too, to choose how stacks are matched if `stack` is not a key.
    """
    try:
        match = Match(given) if isinstance(given, str) else None
    except ValueError:
        match = None
    if match is None:
        hint = suggest(str(given), tuple(Match))
        raise UsageError((Argument("match"), f": stacks cannot be matched by {str(given)[:60]!r}"), hint=hint)
    if match is not Match.AUTO and "stack" not in keys:
        raise UsageError(
            (Argument("match"), " says how stacks are matched, but memory is not compared by stack"),
            hint=("give the key ", Argument("by", "stack")),
        )
    return match


def matched_keys(keys: Sequence[str], match: Match) -> list[str]:
    """Return the keys with the column of the matched stacks in place of `stack`."""
    return list(dict.fromkeys(STACK_COLUMNS[match] if key == "stack" else key for key in keys))


def common_stack(stack: tuple[str, ...], shared: Set[str]) -> tuple[str, ...]:
    """Return the key `common` of a value of the key `stack`; `shared`: the functions that both kernels have."""
    # A handle means nothing on another boot.
    return common_key(stack, shared) if is_known(stack) else (NO_STACK,)


def with_common_keys(
    sides: Sequence[pd.DataFrame], snaps: Sequence[Snapshot], owners: Sequence[str]
) -> list[pd.DataFrame]:
    """Return the attributions of two snapshots by `owners` with the key `common` in place of `stack`.

    The rows of all stacks that have one key are summed; unknown amounts remain missing.
    """
    first, second = (functions_in(snap.stacks["frames"]) for snap in snaps)
    shared = first & second

    def key_of(stack: object) -> object:
        return common_stack(stack, shared) if isinstance(stack, tuple) else stack

    keys = [STACK_COLUMNS[Match.COMMON] if owner == "stack" else owner for owner in owners]
    found = []
    for side in sides:
        renamed = side.assign(stack=side["stack"].map(key_of)).rename(columns={"stack": STACK_COLUMNS[Match.COMMON]})
        amounts = [name for name in renamed.columns if name not in keys]
        groups = renamed.groupby(keys, dropna=False, sort=False, observed=True)
        found.append(groups[amounts].sum(min_count=1).reset_index())
    return found
