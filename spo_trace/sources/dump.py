# SPDX-License-Identifier: LGPL-2.1-or-later
"""A crash dump, or a dump of a virtual machine's memory, as a source: what the kernel would have printed."""

import struct
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.formats.missing import Missing, Why
from spo_trace.formats.reasons import Skipped
from spo_trace.formats.runs import Records, gathered
from spo_trace.formats.text import Chunks, DelimitedRecords, KernelText, Outcome
from spo_trace.memory.capture import MemoryCapture
from spo_trace.memory.dump import kernel_of, open_dump
from spo_trace.memory.problem import COPY_AGAIN, Problem
from spo_trace.memory.symbol_table import Symbol, in_kallsyms
from spo_trace.sources.dump_input import is_dump_file
from spo_trace.sources.input_file import open_file

__all__ = ["DumpSource"]

T = TypeVar("T")

_NOT_IN_DUMP = Why(Missing.NOT_IN_CAPTURE, "not in the dump")
_NO_COUNTS = Why(Missing.NO_FILE, "the kernel does not count pages by stack (Linux 6.8 and later)")
_NO_SWAP_PAGE_OWNER = Why(Missing.NO_FILE, "the kernel has no swap_page_owner")
_SWAP_OFF = Why(Missing.NOT_SWITCHED_ON, "page_owner did not track swap", "boot the machine with page_owner=on,swap")


class DumpSource:
    """Read an ELF or kdump-compressed dump; `paths`: the dump, and maybe a copy of /proc/kallsyms of the same boot."""

    kind = "dump"

    def __init__(self, paths: Sequence[str]) -> None:
        """Find the owners in the dump; raise SpoTraceError, with the alternative, if it has none that can be read."""
        dumps = [path for path in paths if is_dump_file(path)]
        others = [path for path in paths if path not in dumps]
        if len(dumps) > 1 or len(others) > 1:
            raise UsageError(
                "a dump is read alone, or with a copy of /proc/kallsyms of the same boot",
                hint="a snapshot is of one machine at one time: name one dump",
            )
        self._title = ", ".join(paths)
        with _explained(self._title):
            file = open_file(dumps[0])
            weakref.finalize(self, file.close)
            dump = open_dump(file)
            self._capture = MemoryCapture(kernel_of(dump, _symbols(others[0]) if others else None))

    @property
    def options(self) -> dict[str, str]:
        """Return what snapshot.json records of how this source was requested."""
        return {"from": self._title}

    def open(self, name: str) -> KernelText | None:
        """Return the text of the file `name` of PATHS, None if the dump has no such file."""
        capture = self._capture
        with _explained(self._title):
            match name:
                case "page_owner":
                    outcome = Outcome()
                    runs = self._counted(capture.page_owner(), outcome)
                    return KernelText(name, DelimitedRecords(runs), outcome=outcome)
                case "swap_page_owner":
                    return self._swap_page_owner()
                case "show_stacks_handles":
                    return KernelText(name, Chunks(self._pieces(capture.show_stacks_handles())))
                case "show_handles" if capture.counts_pages:
                    return KernelText(name, Chunks(self._pieces(capture.show_handles())))
        text = capture.facts.get(name)
        return None if text is None else KernelText(name, Chunks([text]))

    def why_missing(self, name: str) -> Why:
        """Return why `open` returned None."""
        if name == "swap_page_owner":
            return _SWAP_OFF if self._capture.tracking.exists else _NO_SWAP_PAGE_OWNER
        return _NO_COUNTS if name in ("show_stacks", "show_handles") else _NOT_IN_DUMP

    def _swap_page_owner(self) -> KernelText | None:
        if not self._capture.tracking.on:
            return None
        count = self._capture.swap_count
        outcome, note = Outcome(), None
        if count.lost:
            # A missing node has an unknown number of records, so that the used entries are the only right total.
            missing = max((count.used or 0) - count.records, 1)
            outcome.skipped = {Skipped.NOT_IN_DUMP: missing}
            of_all = "" if count.used is None else f" of {count.used:,}"
            note = f"{count.records:,}{of_all} owners of swap; the rest was filtered out of the dump"
        records = DelimitedRecords(self._pieces(gathered(self._capture.swap_page_owner())))
        return KernelText("swap_page_owner", records, note=note, outcome=outcome)

    def _counted(self, records: Iterable[bytes], outcome: Outcome) -> Iterator[Records]:
        yield from self._pieces(gathered(records))
        if self._capture.unread_pages:
            outcome.skipped = {Skipped.NOT_IN_DUMP: self._capture.unread_pages}

    def _pieces(self, pieces: Iterable[T]) -> Iterator[T]:
        with _explained(self._title):
            yield from pieces


def _symbols(path: str) -> list[Symbol]:
    with open_file(path) as file:
        return [symbol for symbol in in_kallsyms(file) if not symbol.module]


# Every number of a dump is input. Those that bound work are checked where they are read; a wrong offset or length
# shows as one of these errors.
@contextmanager
def _explained(title: str) -> Iterator[None]:
    try:
        yield
    except Problem as problem:
        raise SpoTraceError(f"{title}: {problem.message}", hint=problem.hint) from problem
    except (ValueError, IndexError, OverflowError, struct.error) as error:
        raise SpoTraceError(f"{title}: the dump is damaged ({error})", hint=COPY_AGAIN) from error
