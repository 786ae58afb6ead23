# SPDX-License-Identifier: LGPL-2.1-or-later
"""The question that an analysis answers: keys, a condition on records, the order of the rows and how many to show."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from spo_trace.analysis.counted_apart import check_no_condition
from spo_trace.analysis.keys import check_keys
from spo_trace.analysis.order import Orders, order_of
from spo_trace.analysis.where import Condition

__all__ = ["Question"]


@dataclass(frozen=True, slots=True)
class Question:
    """Hold a question that was parsed and checked by `Question.of`.

    `sort`: the column or order to sort by, None for the analysis's default. `top`: the number of rows to show, 0 for
    all, None if it was not given. `is_open`: no keys were given; `with_usual_key` chooses them by the snapshot.
    """

    keys: list[str]
    condition: Condition
    sort: str | None = None
    top: int | None = None
    is_open: bool = False

    @classmethod
    def of(
        cls,
        by: str | Iterable[str] | None = None,
        where: str | None = None,
        *,
        sort: str | None = None,
        orders: Orders | None = None,
        top: int | None = None,
    ) -> "Question":
        """Parse a question; raise UsageError for a key, a condition or a `sort` (one of `orders`) that does not exist.

        The default of `by` is comm, unless the input has none (see `with_usual_key`).
        Without `orders`, `sort` is checked by the analysis: the keys of a recording are unknown until it is opened.
        """
        keys = check_keys("comm" if by is None else by)
        check_no_condition(keys, where)
        if sort is not None and orders is not None:
            sort = order_of(sort, orders, keys)
        return cls(keys, Condition(where), sort, top, is_open=by is None)

    def grouped_by(self, keys: Iterable[str]) -> "Question":
        """Return the question about the same records by other keys, in the default order."""
        return replace(self, keys=check_keys(keys), sort=None, is_open=False)
