# SPDX-License-Identifier: LGPL-2.1-or-later
"""page_owner with a stack depot handle in place of each stack: less to print and to read, where the kernel has it."""

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

# A comm (15 bytes) is too short to fake these two lines. Frames stand between them in mode STACK_HANDLE alone.
_STACK = re.compile(rb"\nPFN [^\n]*\n((?: [^\n]*\n)*)handle: (\d{1,10})\n")


def prints_handles(path: Path) -> bool:
    """Tell whether page_owner takes a print mode (print_mode series, linux-mm, May 2026), by asking for one.

    The mode is of the descriptor, and gone with it. Older kernels refuse to write (EINVAL), lockdown to open (EPERM).
    """
    try:
        # Nothing in debugfs has a size: a copy that somebody keeps under this name is not written to.
        if path.stat().st_size:
            return False
        KernelFile(path, HANDLE).close()
    except OSError:
        return False
    return True


def stacks_by_handle(show_stacks_handles: bytes) -> dict[bytes, bytes]:
    """Return the lines of each stack that the file page_owner_stacks/show_stacks_handles prints, by its handle."""
    found = stack_records(KernelText("show_stacks_handles", Chunks([show_stacks_handles])), lambda _: None)
    return {b"%d" % record.handle: record.stack for record in found if record.stack and record.handle is not None}


def with_stacks(runs: Iterator[Records], known: dict[bytes, bytes], asked: Positioned) -> Iterator[Records]:
    """Yield `runs` of mode HANDLE as they would be with stacks.

    `known` has stacks by their handles. It lacks those that came after it was read, and those that page_owner could
    not put on its list: they are `asked` for (page_owner open in mode STACK_HANDLE, its positions PFNs). A page that
    has changed hands since, or is too large with its stack, keeps the handle alone: the next page with it is asked for.
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
    # A record can be too large with its stack, and fit without it.
    full = (record_at(asked, pfn) if pfn is not None else None) or b""
    found = _STACK.search(full)
    if number_of(full) != pfn or found is None or found[2] != handle:
        return record
    known[handle] = found[1]
    # With its handle, so that whoever has that alone has a stack now.
    return full
