# SPDX-License-Identifier: LGPL-2.1-or-later
"""Read the owners of swap: from swap_page_owner, or from the probes of a running trace."""

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from spo_trace.collect.machine_facts import address_bits
from spo_trace.collect.read_log import ReadLog
from spo_trace.collect.rows import RowWriter
from spo_trace.errors import Argument, SpoTraceError, UsageError
from spo_trace.formats.arrays import numbers, strings
from spo_trace.formats.missing import Missing, Why
from spo_trace.formats.parser_choice import swap_batches
from spo_trace.formats.stack_table import StackTable
from spo_trace.formats.text import Chunks, KernelText
from spo_trace.machine.command_line import wants_swap
from spo_trace.snapshots.meta import MachineFacts, Origin, SwapOwner
from spo_trace.sources.source import Source

if TYPE_CHECKING:
    from spo_trace.probes.readings import MapReadings
    from spo_trace.probes.running_trace import RunningTrace

__all__ = ["SwapOwners"]

_NO_PATCH = (
    "the kernel was booted with page_owner=on,swap but has no swap_page_owner: it lacks the patch and treats the option"
    " as page_owner=on; the owners of swapped pages are unknown"
)


class SwapOwners:
    """Read the owners of swap in one of SWAP_MODES; `trace`: the maps of the running trace, None if there is none."""

    def __init__(
        self,
        mode: str,
        source: Source,
        trace: "MapReadings | None",
        stacks: StackTable,
        warnings: list[str],
        origin: Origin = Origin.DEBUGFS,
    ) -> None:
        """Append warnings for the user to `warnings`; `origin`: of the kernel's own owners in `source`.

        Raise UsageError for mode `bpf` if the source is not this machine.
        """
        if mode == "bpf" and source.kind != "live":
            raise UsageError(
                (Argument("swap", "bpf"), f" needs this machine as its source, not a {source.kind}"),
                hint=("leave out ", Argument("swap"), ", or read this machine"),
            )
        self._mode = mode
        self._source = source
        self._maps = trace
        self._stacks = stacks
        self._warnings = warnings
        self._origin = origin

    @cached_property
    def _text(self) -> KernelText | None:
        return self._source.open("swap_page_owner")

    @cached_property
    def trace(self) -> "RunningTrace | None":
        """Return the running trace if its owners are to be used: in mode `auto`, if the kernel itself keeps none."""
        if self._maps is None or (self._mode == "auto" and self._text is not None):
            return None
        from spo_trace.probes.running_trace import RunningTrace

        return RunningTrace(self._maps, self._stacks)

    def read(self, machine: MachineFacts, rows: RowWriter, log: ReadLog, jobs: int) -> SwapOwner:
        """Write the rows of swap and return their origin, or why there are none."""
        kept = self._text is not None
        if self._text is not None and (self.trace or self._mode == "none"):
            self._text.close()
        if trace := self.trace:
            rows.write("swap", KernelText("bpf", Chunks(())), trace.batches())
            self._warnings += trace.warnings()
            return SwapOwner(Origin.BPF, kept_by_kernel=kept, trace=trace.facts())
        if self._mode == "none":
            return SwapOwner(why=Why(Missing.NOT_ASKED_FOR, "not requested"), kept_by_kernel=kept)
        if self._text is not None:
            bits = address_bits(machine.arch)
            batches = swap_batches(self._text, self._stacks, log.reject, bits=bits, jobs=jobs)
            rows.write("swap", self._text, (_with_origin(batch, self._origin) for batch in batches))
            return SwapOwner(self._origin, kept_by_kernel=True)
        why = self._source.why_missing("swap_page_owner")
        if self._mode == "debugfs":
            hint = (Argument("swap", "auto"), " continues without it")
            raise SpoTraceError(f"no swap_page_owner: {why.text}", hint=hint)
        if wants_swap(machine.cmdline) and why.code is Missing.NO_FILE:
            self._warnings.append(_NO_PATCH)
        return SwapOwner(why=why)


# The text itself does not tell.
def _with_origin(batch: pa.RecordBatch, origin: Origin) -> pa.RecordBatch:
    at = batch.schema.get_field_index("origin")
    if at < 0:
        return batch
    codes = numbers(np.zeros(len(batch), np.int32))
    return batch.set_column(at, batch.schema.field(at), pa.DictionaryArray.from_arrays(codes, strings([str(origin)])))
