# SPDX-License-Identifier: LGPL-2.1-or-later
"""The texts of owners out of kernel memory, of a dump or of this machine."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from spo_trace.errors import SpoTraceError, Text
from spo_trace.formats.missing import Missing, Why
from spo_trace.formats.reasons import Skipped
from spo_trace.formats.runs import Records, gathered
from spo_trace.formats.text import Chunks, DelimitedRecords, KernelText, Outcome
from spo_trace.memory.capture import MemoryCapture
from spo_trace.memory.problem import DAMAGE, Problem
from spo_trace.reporters.format import counted

__all__ = ["NO_SWAP_PAGE_OWNER", "OWNER_FILES", "SWAP_OFF", "Memory", "MemoryTexts", "explained"]

T = TypeVar("T")

# The files that are made of memory.
OWNER_FILES = ("page_owner", "swap_page_owner", "show_stacks_handles", "show_handles")

_BY_HANDLE = Why(Missing.NOT_IN_CAPTURE, "memory has the counts by handle: see show_handles")
_NO_COUNTS = Why(Missing.NO_FILE, "the kernel does not count pages by stack (Linux 6.8 and later)")
NO_SWAP_PAGE_OWNER = Why(Missing.NO_FILE, "the kernel has no swap_page_owner")
SWAP_OFF = Why(Missing.NOT_SWITCHED_ON, "page_owner did not track swap", "boot the machine with page_owner=on,swap")

_REST = {Skipped.NOT_IN_DUMP: "was filtered out of the dump", Skipped.NOT_READABLE: "could not be read"}


class Memory(NamedTuple):
    """Hold what users are told of a memory: its name, what to do if it is damaged, why some of it may be unreadable."""

    title: str
    if_damaged: Text
    lost: Skipped


class MemoryTexts:
    """Print what a kernel's memory has."""

    def __init__(self, capture: MemoryCapture, memory: Memory) -> None:
        self._capture = capture
        self._memory = memory

    def open(self, name: str) -> KernelText | None:
        """Return the text of a file of OWNER_FILES, None if the kernel has no such file."""
        capture = self._capture
        with explained(self._memory):
            match name:
                case "page_owner":
                    outcome = Outcome()
                    runs = self._counted(capture.page_owner(), outcome)
                    return KernelText(name, DelimitedRecords(runs), outcome=outcome)
                case "swap_page_owner" if capture.tracking.on:
                    return self._swap_page_owner()
                case "show_stacks_handles":
                    return KernelText(name, Chunks(self._pieces(capture.show_stacks_handles())))
                case "show_handles" if capture.counts_pages:
                    return KernelText(name, Chunks(self._pieces(capture.show_handles())))
        return None

    def why_no_counts(self) -> Why:
        """Return why there is no show_stacks, or no show_handles."""
        return _BY_HANDLE if self._capture.counts_pages else _NO_COUNTS

    def _swap_page_owner(self) -> KernelText:
        count = self._capture.swap_count
        outcome, note = Outcome(), None
        if count.lost:
            # A missing node has an unknown number of records, so that the used entries are the only right total.
            missing = max((count.used or 0) - count.records, 1)
            outcome.skipped = {self._memory.lost: missing}
            of_all = "" if count.used is None else f"{count.records:,} of "
            owners = counted(count.records if count.used is None else count.used, "owner")
            note = f"{of_all}{owners} of swap; the rest {_REST[self._memory.lost]}"
        records = DelimitedRecords(self._pieces(gathered(self._capture.swap_page_owner())))
        return KernelText("swap_page_owner", records, note=note, outcome=outcome)

    def _counted(self, records: Iterable[bytes], outcome: Outcome) -> Iterator[Records]:
        yield from self._pieces(gathered(records))
        if self._capture.unread_pages:
            outcome.skipped = {self._memory.lost: self._capture.unread_pages}

    def _pieces(self, pieces: Iterable[T]) -> Iterator[T]:
        with explained(self._memory):
            yield from pieces


@contextmanager
def explained(memory: Memory) -> Iterator[None]:
    """Turn an error of the package `memory` into one for users that begins with the title of `memory`."""
    try:
        yield
    except Problem as problem:
        raise SpoTraceError(f"{memory.title}: {problem.message}", hint=problem.hint) from problem
    except DAMAGE as error:
        raise SpoTraceError(f"{memory.title}: the memory is damaged ({error})", hint=memory.if_damaged) from error
