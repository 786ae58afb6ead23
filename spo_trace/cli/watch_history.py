# SPDX-License-Identifier: LGPL-2.1-or-later
"""The samples from which watch computes growth."""

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

    from spo_trace.sampling.samples import Sample

__all__ = ["Growth", "History"]

# Samples that are kept besides the first one, for the sparklines.
_REMEMBERED = 20


class Growth(NamedTuple):
    """Hold the growth of owners, in display order and with a column `label`; of all together; and their number."""

    rows: "pd.DataFrame"
    total: "pd.DataFrame"
    owners: int


class History:
    """Keep the first sample and the latest ones, by `keys`."""

    def __init__(self, keys: list[str]) -> None:
        self.keys = keys
        self._first: Sample | None = None
        self._recent: deque[Sample] = deque(maxlen=_REMEMBERED)
        self._texts: dict[object, object] = {}

    def add(self, sample: "Sample", table: "pd.DataFrame | None" = None) -> None:
        """Add one more sample; `table` by the keys, default: that of the sample."""
        sample = self._slim(sample, sample.table if table is None else table)
        if self._first is None:
            self._first = sample
        else:
            self._recent.append(sample)

    def growth(self, sort: str, most: int = 0, matching: str = "") -> Growth:
        """Return the growth of the first `most` owners (0: all) whose labels contain `matching`, in any case.

        `sort`: a name or a column of ORDERS in analysis.growth.
        """
        import pandas as pd

        from spo_trace.analysis.growth import ORDERS, growth
        from spo_trace.analysis.order import order_of, sort_rows
        from spo_trace.analysis.owner_labels import owner_labels
        from spo_trace.sampling.series import series_of

        assert self._first is not None
        samples = [self._first, *self._recent]
        table = series_of(samples, self.keys).table
        rows, total = growth(table, self.keys), growth(table, [])
        if len(samples) > 1 and samples[-1].number > samples[-2].number + 1:
            # These keys were asked for later: nothing is known of the sample before the last one.
            rows["interval_delta"] = total["interval_delta"] = pd.NA
        rows = sort_rows(rows, order_of(sort, ORDERS, self.keys), [])
        if matching:
            found = [matching.casefold() in label.casefold() for label in owner_labels(rows, self.keys)]
            rows = rows[found].reset_index(drop=True)
        shown = rows.head(most) if most else rows
        labelled = shown.assign(label=owner_labels(shown, self.keys))
        return Growth(labelled, total.assign(label="all"), len(rows))

    # Each sample repeats the same names and stacks: keep one copy, so that a long watch does not grow. What a sample
    # can be asked is on disk only until the next one.
    def _slim(self, sample: "Sample", table: "pd.DataFrame") -> "Sample":
        import pandas as pd

        columns = {
            key: pd.Series([self._once(value) for value in table[key]], dtype=object, index=table.index)
            for key in self.keys
        }
        return replace(sample, table=table.assign(**columns), answer=None)

    def _once(self, value: object) -> object:
        return self._texts.setdefault(value, value) if isinstance(value, str | tuple) else value
