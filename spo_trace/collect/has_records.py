# SPDX-License-Identifier: LGPL-2.1-or-later
"""Check that a source has any owners."""

from spo_trace.collect.read_log import ReadLog
from spo_trace.errors import NoRecords, SpoTraceError
from spo_trace.formats.aggregate_kind import AggregateKind
from spo_trace.sources.source import RECORD_FILES, Source

__all__ = ["check_has_records"]


def check_has_records(source: Source, log: ReadLog, aggregate: AggregateKind | None) -> None:
    """Raise SpoTraceError if none of the texts with owners has a record; NoRecords if there is no such text."""
    names = RECORD_FILES if aggregate is None else (aggregate.value,)
    counts = [log.files[name] for name in names if name in log.files]
    if any(count.records for count in counts):
        return
    if not counts:
        why = source.why_missing("page_owner")
        raise NoRecords(
            f"there is no page_owner to read: {why.text}", hint=why.hint or "on the machine itself: spo-trace doctor"
        )
    causes = [text for count in counts for text in (count.problem, count.first_reject) if text]
    why_empty = f": {causes[0]}" if causes else ": it is empty"
    if aggregate is not None:
        raise SpoTraceError(
            f"{aggregate.shown} contains nothing valid{why_empty}",
            hint="give the text of /sys/kernel/debug/page_owner that it was made from, if there is one",
        )
    raise SpoTraceError(
        f"page_owner contains no valid record{why_empty}",
        hint="a record begins like this: Page allocated via order 0, mask 0x…",
    )
