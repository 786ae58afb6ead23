# SPDX-License-Identifier: LGPL-2.1-or-later
"""A crash dump, or a dump of a virtual machine's memory, as a source: what the kernel would have printed."""

import weakref
from collections.abc import Sequence

from spo_trace.errors import UsageError
from spo_trace.formats.missing import Missing, Why
from spo_trace.formats.reasons import Skipped
from spo_trace.formats.text import Chunks, KernelText
from spo_trace.memory.capture import MemoryCapture
from spo_trace.memory.dump import kernel_of, open_dump
from spo_trace.memory.kernel import Kernel
from spo_trace.memory.physical import Physical
from spo_trace.memory.problem import COPY_AGAIN
from spo_trace.memory.symbol_table import in_kallsyms, lines_in
from spo_trace.sources.dump_input import is_dump_file
from spo_trace.sources.input_file import open_file
from spo_trace.sources.memory_texts import (
    NO_SWAP_PAGE_OWNER,
    OWNER_FILES,
    SWAP_OFF,
    Memory,
    MemoryTexts,
    explained,
)

__all__ = ["DumpSource"]

_NOT_IN_DUMP = Why(Missing.NOT_IN_CAPTURE, "not in the dump")


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
        memory = Memory(", ".join(paths), COPY_AGAIN, Skipped.NOT_IN_DUMP)
        self._title = memory.title
        with explained(memory):
            file = open_file(dumps[0])
            weakref.finalize(self, file.close)
            dump = open_dump(file)
            self._capture = MemoryCapture(_kernel(dump, others[0]) if others else kernel_of(dump))
        self._texts = MemoryTexts(self._capture, memory)

    @property
    def options(self) -> dict[str, str]:
        """Return what snapshot.json records of how this source was requested."""
        return {"from": self._title}

    def open(self, name: str) -> KernelText | None:
        """Return the text of the file `name` of PATHS, None if the dump has no such file."""
        if name in OWNER_FILES:
            return self._texts.open(name)
        text = self._capture.facts.get(name)
        return None if text is None else KernelText(name, Chunks([text]))

    def why_missing(self, name: str) -> Why:
        """Return why `open` returned None."""
        if name == "swap_page_owner":
            return SWAP_OFF if self._capture.tracking.exists else NO_SWAP_PAGE_OWNER
        return self._texts.why_no_counts() if name in ("show_stacks", "show_handles") else _NOT_IN_DUMP


def _kernel(dump: Physical, kallsyms: str) -> Kernel:
    with open_file(kallsyms) as file:
        return kernel_of(dump, in_kallsyms(lines_in(file)))
