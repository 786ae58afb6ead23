# SPDX-License-Identifier: LGPL-2.1-or-later
"""page_owner with a stack depot handle instead of each stack, on kernels that can print it: less text to read."""

import re
from collections.abc import Iterator
from pathlib import Path

from spo_trace.formats.page_owner_stacks import stack_records
from spo_trace.formats.runs import Records
from spo_trace.formats.text import Chunks, KernelText
from spo_trace.sources.kernel_file import KernelFile, Positioned, number_of
from spo_trace.sources.one_reader import record_at

__all__ = ["HANDLE", "STACK_HANDLE", "prints_handles", "stacks_by_handle", "with_stacks"]

HANDLE, STACK_HANDLE = b"mode=handle", b"mode=stack_handle"

# A comm (15 bytes) is too short to fake these two lines. Only mode STACK_HANDLE prints frames between them.
_STACK = re.compile(rb"\nPFN [^\n]*\n((?: [^\n]*\n)*)handle: (\d{1,10})\n")


def prints_handles(path: Path) -> bool:
    """Test whether page_owner accepts a print mode (print_mode series, linux-mm, May 2026).

    The mode ends with the descriptor. Older kernels refuse the write (EINVAL), lockdown the open (EPERM).
    """
    try:
        # Files in debugfs have size 0: a copy under this name must not be written to.
        if path.stat().st_size:
            return False
        KernelFile(path, HANDLE).close()
    except OSError:
        return False
    return True


def stacks_by_handle(show_stacks_handles: bytes) -> dict[bytes, bytes]:
    """Return the lines of each stack in page_owner_stacks/show_stacks_handles, by its handle."""
    found = stack_records(KernelText("show_stacks_handles", Chunks([show_stacks_handles])), lambda _: None)
    return {b"%d" % record.handle: record.stack for record in found if record.stack and record.handle is not None}


def with_stacks(runs: Iterator[Records], known: dict[bytes, bytes], asked: Positioned) -> Iterator[Records]:
    """Yield `runs` of mode HANDLE as they would be with stacks.

    `known` has stacks by their handles. It lacks later stacks, and those that page_owner could not put on its list:
    these are read from `asked` (page_owner open in mode STACK_HANDLE, its positions are PFNs). A page that has another
    owner by then, or is too large with its stack, keeps only the handle: the next page with it is tried.
    """
    for run in runs:
        yield Records.of([_with_stack(record, known, asked) for record in run.split()])


def _with_stack(record: bytes, known: dict[bytes, bytes], asked: Positioned) -> bytes:
    match = _STACK.search(record)
    if match is None:
        return record
    handle = match[2]
    if (stack := known.get(handle)) is not None:
        return record[: match.start(1)] + stack + record[match.end() :]
    pfn = number_of(record)
    # A record may fit the buffer without its stack, and not with it.
    full = (record_at(asked, pfn) if pfn is not None else None) or b""
    found = _STACK.search(full)
    if number_of(full) != pfn or found is None or found[2] != handle:
        return record
    known[handle] = found[1]
    # The handle is kept: it gives earlier records with it their stack.
    return full
