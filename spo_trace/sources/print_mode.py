# SPDX-License-Identifier: LGPL-2.1-or-later
"""page_owner with a stack depot handle instead of each stack, on kernels that can print it: less text to read."""

import re
from pathlib import Path

from spo_trace.formats.text import StackOfPage
from spo_trace.sources.enomem import record_at
from spo_trace.sources.kernel_file import KernelFile, number_of

__all__ = ["HANDLE", "STACK_HANDLE", "prints_handles", "stack_at"]

HANDLE, STACK_HANDLE = b"mode=handle", b"mode=stack_handle"

# A comm (15 bytes) is too short to fake these lines.
_STACK = re.compile(rb"\nPFN [^\n]*\n((?: [^\n]*\n)+)handle: (\d{1,10})\n")


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


def stack_at(path: Path, pfn: int) -> StackOfPage | None:
    """Return the stack of the page at a PFN, read in mode STACK_HANDLE.

    None if the page has no record, if its record does not fit the kernel's buffer with the stack, or on an error.
    """
    try:
        with KernelFile(path, STACK_HANDLE) as file:
            record = record_at(file, pfn) or b""
    except OSError:
        return None
    found = _STACK.search(record)
    return StackOfPage(found[1], int(found[2])) if found is not None and number_of(record) == pfn else None
