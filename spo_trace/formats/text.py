# SPDX-License-Identifier: LGPL-2.1-or-later
"""The text of a kernel file as a source provides it, in one of three forms, and the outcome of reading it."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from spo_trace.formats.reasons import Reason
from spo_trace.formats.runs import Records

__all__ = [
    "Chunks",
    "Content",
    "DelimitedRecords",
    "KernelText",
    "Outcome",
    "PlainFile",
]


class Chunks(NamedTuple):
    """A stream of text, cut anywhere.

    `place` maps a byte offset and a line of the text to those of the input; None if they are the same.
    """

    pieces: Iterable[bytes]
    place: Callable[[int, int], tuple[int, int]] | None = None


class PlainFile(NamedTuple):
    """An open file with the unchanged text; parts can be read in any order. The reader closes it."""

    file: BinaryIO


class DelimitedRecords(NamedTuple):
    """Records whose ends are known because read(2) on the kernel's file returns one at a time."""

    runs: Iterable[Records]


Content = Chunks | PlainFile | DelimitedRecords


@dataclass(slots=True)
class Outcome:
    """Collect the outcome of reading a text; it is complete at the end of the text.

    `problem`: why the text ended early. `skipped`: number of records that the kernel could not return, by code of
    `Skipped`. `retried`: number of reads that were repeated because the kernel was out of memory. `marks`: number of
    lines that copying changed, by kind of change. `pageblock_order`: base-2 logarithm of a pageblock's pages, if PFN
    lines show it. `reached`: how much of the text's size has been read, for progress only. `began`, `seconds`: if
    another process read the text from the kernel, when, in seconds since the reading began, and for how long.
    """

    problem: str | None = None
    skipped: dict[str, int] = field(default_factory=dict)
    retried: int = 0
    marks: Counter[Reason] = field(default_factory=Counter)
    pageblock_order: int | None = None
    reached: int = 0
    began: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class KernelText:
    """One kernel file's text; its content can be read once.

    `size`: in bytes as stored, or the last PFN while the kernel's page_owner is read; for progress only. `note`: a
    remark for the user on the origin of the text.
    """

    name: str
    content: Content
    size: int | None = None
    note: str | None = None
    outcome: Outcome = field(default_factory=Outcome)

    def close(self) -> None:
        """Close the file of a text that is not read."""
        if isinstance(self.content, PlainFile):
            self.content.file.close()
