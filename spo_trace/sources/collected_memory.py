# SPDX-License-Identifier: LGPL-2.1-or-later
"""The owners that were just collected out of this machine's memory: text is made of them after reading."""

import weakref
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from spo_trace.errors import Argument
from spo_trace.formats.missing import Why
from spo_trace.formats.reasons import Skipped
from spo_trace.formats.text import KernelText
from spo_trace.memory.capture import MemoryCapture
from spo_trace.memory.owners import ROW_FILES, collected_owners
from spo_trace.memory.planner import Planner
from spo_trace.sources.collected import CollectedSource
from spo_trace.sources.live_reasons import NO_SWAP
from spo_trace.sources.memory_texts import OWNER_FILES, Memory, MemoryTexts, explained

__all__ = ["CollectedMemory"]

_MEMORY = Memory("kernel memory", ("read the text of debugfs with ", Argument("method", "text")), Skipped.NOT_READABLE)


class CollectedMemory(CollectedSource):
    """Read the capture `directory` that the collector made with a plan.

    Stacks and the names of cgroups are read now. The kernel never removes a stack; a cgroup that was removed meanwhile
    has the name `?`.
    """

    def __init__(self, directory: Path, planner: Planner | None = None) -> None:
        """Use what the planner of a series has of this kernel; by default, read it here."""
        super().__init__(directory)
        self._planner = planner or Planner()
        self._images = ExitStack()
        weakref.finalize(self, self._images.close)

    def open(self, name: str) -> KernelText | None:
        """Return the text of the file `name` of PATHS, None if there is none; raise SpoTraceError if unreadable."""
        if name not in OWNER_FILES or not (self._directory / ROW_FILES["page_owner"]).exists():
            return super().open(name)
        text = self._texts.open(name)
        if text is not None:
            self._note_times(text)
        return text

    def why_missing(self, name: str) -> Why:
        """Return why `open` returned None."""
        if name == "swap_page_owner" and self._capture.tracking.exists:
            return NO_SWAP
        return self._texts.why_no_counts() if name in ("show_stacks", "show_handles") else super().why_missing(name)

    @cached_property
    def _texts(self) -> MemoryTexts:
        return MemoryTexts(self._capture, _MEMORY)

    @cached_property
    def _capture(self) -> MemoryCapture:
        with explained(_MEMORY):
            owners = collected_owners(self._directory)
            return MemoryCapture(self._planner.kernel(self._images, owners.pageblock_order), owners)
