# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a snapshot lacks, in words: warnings, records that could not be parsed, input that broke off."""

from collections.abc import Iterator
from typing import Any

from spo_trace.formats.reasons import Reason

__all__ = ["shortcomings"]


def shortcomings(meta: dict[str, Any]) -> Iterator[str]:
    """Yield what the snapshot with this snapshot.json lacks, a sentence each."""
    yield from meta["warnings"]
    if cut_off := meta.get("source", {}).get("cut_off"):
        yield f"the capture is cut off, and files may be missing: {cut_off}"
    for name, counts in meta["files"].items():
        for text in _shortcomings(counts):
            yield f"{name}: {text}"


def _shortcomings(counts: dict[str, Any]) -> Iterator[str]:
    lost, noted = counts.get("malformed", 0), counts.get("notes", 0)
    first = f"(a snapshot keeps them in rejects.txt; first: {counts.get('first_reject')})"
    if lost:
        yield f"{lost:,} of {lost + counts['records']:,} records are malformed and set aside {first}"
    if noted:
        yield f"{noted:,} lines were not understood and set aside, their records kept {first}"
    if Reason.CUT_OFF in _codes(counts.get("reasons", {})):
        yield "a record is cut off: is the text complete?"
    if "problem" in counts:
        yield f"{counts['problem']}; what came before it was read"
    for reason, number in counts.get("skipped", {}).items():
        yield f"at least {number:,} skipped: {reason}"
    if "note" in counts:
        yield counts["note"]
    for mark in counts.get("marks", {}).values():
        yield f"{mark['number']:,} {mark['text']}"


# Up to version 2, a snapshot has the text in place of the code.
def _codes(reasons: dict[str, Any]) -> set[str]:
    return set(reasons) | {reason.value for reason in Reason if reason.text in reasons}
