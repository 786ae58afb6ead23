# SPDX-License-Identifier: LGPL-2.1-or-later
"""The methods of reading a sample: the kernel's counts for each stack, or every record."""

import re
from enum import StrEnum

from spo_trace.analysis.keys import FRAME_KEYS
from spo_trace.analysis.question import Question
from spo_trace.errors import Argument, UsageError

__all__ = ["METHODS", "MethodReason", "checked_method", "counts_lack_stacks", "is_about_stacks"]

METHODS = ("auto", "counts", "memory", "text")

# As it was called before there were other ways of reading every record.
_OLD_NAMES = {"full": "text"}


class MethodReason(StrEnum):
    """Why a series is read by its method; the value is in series.json."""

    ASKED = "asked"
    # Counts answer the question, and have all stacks.
    COUNTS_SUFFICE = "counts-suffice"
    # The keys or the condition need records.
    QUESTION = "question"
    # The kernel or the capture has no counts.
    NO_COUNTS = "no-counts"
    # The kernel's counts lack stacks.
    COUNTS_LACK_STACKS = "counts-lack-stacks"
    # The capture has counts only.
    NO_RECORDS = "no-records"


def checked_method(method: str, question: Question) -> str:
    """Return a method's name in METHODS; raise UsageError if it has none, or if it cannot answer the question."""
    method = _OLD_NAMES.get(method, method)
    if method not in METHODS:
        raise UsageError(f"there is no method {method!r}", hint=f"choose one of {', '.join(METHODS)}")
    if method == "counts" and not is_about_stacks(question):
        raise UsageError(
            ("the kernel's counts are by stack only: they cannot be used with other keys or ", Argument("where")),
            hint=(Argument("by"), f" with some of {', '.join(FRAME_KEYS)}, or ", Argument("method", "text")),
        )
    return method


def is_about_stacks(question: Question) -> bool:
    """Return whether the kernel's counts for each stack are enough to answer the question."""
    return question.condition.text is None and set(question.keys) <= set(FRAME_KEYS)


_RELEASE = re.compile(r"(\d{1,6})\.(\d{1,6})")


def counts_lack_stacks(release: str | None) -> bool:
    """Return whether the counts of this kernel release may lack stacks; True if the release is unknown.

    c83aab85e181, 6.18 and 6.17.6: add_stack_record_to_list() (mm/page_owner.c) does not list a stack whose first
    allocation has no bit of __GFP_RECLAIM, such as most slab and huge pages, so that its pages are never counted.
    Neither a file nor a symbol tells the kernels apart, and which stacks are missing is known only after all records
    are read. Vendors' releases of 6.17 have the change, too, whatever their third number is.

    >>> counts_lack_stacks("6.12.63-amd64"), counts_lack_stacks("6.18.2"), counts_lack_stacks(None)
    (False, True, True)
    """
    match = _RELEASE.match(release or "")
    return match is None or (int(match[1]), int(match[2])) >= (6, 17)
