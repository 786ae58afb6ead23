# SPDX-License-Identifier: LGPL-2.1-or-later
"""The questions that a user asks while watch runs: other keys, and the stacks of one owner."""

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

from spo_trace.cli.watch_history import History

if TYPE_CHECKING:
    import pandas as pd

    from spo_trace.analysis.question import Question
    from spo_trace.sampling.samples import Sample

__all__ = ["Questions"]

Table = Callable[["Sample"], "pd.DataFrame"]


class Questions:
    """Keep a history for each question that is shown; a new one has the first sample and the latest one."""

    def __init__(self, question: "Question", history: History) -> None:
        """Take the question that was asked at the start, and the history of its answers, which the caller extends."""
        self._question = question
        self._started = history
        self._samples: list[Sample] = []
        self._grouped: tuple[History, Table] | None = None
        self._zoomed: tuple[History, Table] | None = None

    @property
    def shown(self) -> History:
        """Return the history of the question that was asked last."""
        asked = self._zoomed or self._grouped
        return asked[0] if asked else self._started

    @property
    def latest(self) -> "Sample | None":
        """Return the latest sample."""
        return self._samples[-1] if self._samples else None

    def add(self, sample: "Sample") -> None:
        """Add one more sample to the histories."""
        self._samples = [*self._samples[:1], sample]
        for history, table in filter(None, (self._grouped, self._zoomed)):
            history.add(sample, table(sample))

    def group_by(self, keys: list[str]) -> None:
        """Ask for other keys; raise SpoTraceError if the samples do not have them."""
        question = self._question.grouped_by(keys)
        grouped = None if question.keys == self._question.keys else self._asked(question.keys, _answers(question))
        self._grouped, self._zoomed = grouped, None

    def zoom(self, owner: "pd.Series") -> None:
        """Ask for the stacks of `owner`, a row of `shown`; raise SpoTraceError if the samples do not have them."""
        keys = self.shown.keys
        answers = _answers(self._question.grouped_by([*keys, "stack"]))
        self._zoomed = self._asked(["stack"], lambda sample: _of_owner(answers(sample), owner, keys))

    def leave_zoom(self) -> None:
        """Return to the owners."""
        self._zoomed = None

    def _asked(self, keys: list[str], table: Table) -> tuple[History, Table]:
        history = History(keys)
        for sample in self._samples:
            history.add(sample, table(sample))
        return history, table


def _answers(question: "Question") -> Table:
    def table(sample: "Sample") -> "pd.DataFrame":
        assert sample.answer is not None
        return sample.answer(question)

    return table


# A sample in which the owner has nothing keeps one row, or it would be missing from the history.
def _of_owner(table: "pd.DataFrame", owner: "pd.Series", keys: list[str]) -> "pd.DataFrame":
    from spo_trace.sampling.samples import SERIES_AMOUNTS
    from spo_trace.schema import KEY_KNOWN

    found = table[[_is_of(row, owner, keys) for row in table.to_dict("records")]]
    if found.empty:
        found = table.head(1).assign(stack=None, **dict.fromkeys(SERIES_AMOUNTS, 0))
    return found.drop(columns=keys).assign(**{KEY_KNOWN: True}).reset_index(drop=True)


# Of a missing name, KEY_KNOWN tells whether it is unknown or there is none.
def _is_of(row: "dict[Hashable, Any]", owner: "pd.Series", keys: list[str]) -> bool:
    import pandas as pd

    from spo_trace.schema import KEY_KNOWN

    missing = [key for key in keys if pd.isna(owner[key])]
    if missing and bool(row[KEY_KNOWN]) != bool(owner[KEY_KNOWN]):
        return False
    return all(pd.isna(row[key]) if key in missing else row[key] == owner[key] for key in keys)
