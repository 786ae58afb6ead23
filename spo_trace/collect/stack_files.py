# SPDX-License-Identifier: LGPL-2.1-or-later
"""Read page_owner_stacks: the stack of each handle, and how many base pages the kernel counts for each stack."""

from collections.abc import Iterator

from spo_trace.collect.read_log import ReadLog
from spo_trace.formats.missing import Missing, Why
from spo_trace.formats.page_owner_stacks import StackRecord, stack_records
from spo_trace.formats.stack_table import StackTable
from spo_trace.formats.text_reader import chunks_in
from spo_trace.sources.source import Source

__all__ = ["StackFiles"]

_STACK_COUNT = "show_stacks prints stack_count, which counts allocations and not pages (6.9-rc): not used"


class StackFiles:
    """Read the files of page_owner_stacks into `stacks`; `missing` has those that could not be read, and why.

    `handles_are_kernels`: not if spo-collect made the capture and numbered the stacks.
    """

    def __init__(self, source: Source, log: ReadLog, stacks: StackTable, warnings: list[str]) -> None:
        """Append warnings for the user to `warnings`."""
        self.missing: dict[str, Why] = {}
        self._source = source
        self._log = log
        self._stacks = stacks
        self._warnings = warnings
        self._is_blocked = False
        self.handles_are_kernels = True

    def read_handles(self) -> None:
        """Read the stack of each handle. Call this before page_owner is read, which may print handles (print_mode)."""
        whose = self._source.open("handles")
        self.handles_are_kernels = whose is None or b"".join(chunks_in(whose)).strip() != b"collector"
        for record in self.records("show_stacks_handles"):
            if record.handle is not None and record.stack is not None:
                self._stacks.know_handle(record.handle, record.stack)

    def read_counts(self) -> None:
        """Read nr_base_pages of each stack. Call this right after page_owner is read, as the two are compared."""
        counted = counts_allocations = False
        for record in self.records("show_stacks"):
            if record.stack is not None and record.nr_base_pages is not None:
                self._stacks[self._stacks.intern(record.stack)].nr_base_pages = record.nr_base_pages
                counted = True
            counts_allocations |= record.stack_count is not None
        if counts_allocations:
            self._warnings.append(_STACK_COUNT)
        if not counted:
            for record in self.records("show_handles"):
                if record.handle is not None and record.nr_base_pages is not None:
                    self._stacks[self._stacks.intern_handle(record.handle)].nr_base_pages = record.nr_base_pages

    def records(self, name: str) -> Iterator[StackRecord]:
        """Yield the records of one of the files, and count them."""
        text = self._source.open(name)
        if text is None:
            self._note_missing(name)
            return
        seen: set[int | bytes | None] = set()
        with self._log.reading(text) as counts:
            for record in stack_records(text, self._log.reject):
                counts.records += 1
                counts.repeated += record.key in seen
                seen.add(record.key)
                yield record

    def _note_missing(self, name: str) -> None:
        why = self._source.why_missing(name)
        self.missing[name] = why
        if why.code is Missing.BLOCKED and not self._is_blocked:
            # One stuck reader blocks all files of page_owner_stacks: warn once.
            self._is_blocked = True
            self._warnings.append(f"page_owner_stacks is left out: {name}: {why.text}")
        elif why.code in (Missing.READ_ERROR, Missing.PERMISSION):
            self._warnings.append(f"{name} is left out: {why.text}")
