# SPDX-License-Identifier: LGPL-2.1-or-later
"""page_owner with a stack depot handle in place of each stack: less to print and to read, where the kernel has it."""

import re
from collections.abc import Iterator
from pathlib import Path

from spo_trace.formats.record import Records
from spo_trace.sources.kernel_file import KernelFile, Positioned, number_of

__all__ = ["HANDLE", "STACK_HANDLE", "handles_of", "prints_handles", "with_stacks"]

HANDLE, STACK_HANDLE = b"mode=handle", b"mode=stack_handle"

_HANDLE = re.compile(rb"\nhandle: (\d{1,10})\n")


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


def handles_of(show_stacks_handles: bytes) -> set[bytes]:
    """Return the handles whose stacks the file page_owner_stacks/show_stacks_handles prints."""
    return set(_HANDLE.findall(show_stacks_handles))


def with_stacks(blocks: Iterator[Records], known: set[bytes], asked: Positioned) -> Iterator[Records]:
    """Yield `blocks`, each record whose handle is not `known` with its stack: then its handle is known.

    show_stacks_handles lacks stacks that came after it was read, and those that page_owner could not put on its list.
    `asked`: page_owner open in mode STACK_HANDLE, its positions PFNs; a page that has changed hands since keeps the
    handle alone, and the next page with that handle is asked for.
    """
    for block in blocks:
        if known.issuperset(_HANDLE.findall(block.text)):
            yield block
        else:
            yield Records.of([_with_stack(record, known, asked) for record in block.split()])


def _with_stack(record: bytes, known: set[bytes], asked: Positioned) -> bytes:
    handle, pfn = _handle(record), number_of(record)
    if handle is None or handle in known or pfn is None:
        return record
    full = asked.pread(pfn)
    if number_of(full) != pfn or _handle(full) != handle:
        return record
    known.add(handle)
    return full


# The last one: a comm with newlines can hold such a line, but stands before the true one.
def _handle(record: bytes) -> bytes | None:
    found = _HANDLE.findall(record)
    return found[-1] if found else None
