# SPDX-License-Identifier: LGPL-2.1-or-later
"""The protocol of all sources, and the files that they give."""

from typing import Protocol

from spo_trace.formats.aggregate_kind import AggregateKind
from spo_trace.formats.missing import Why
from spo_trace.formats.text import KernelText

__all__ = [
    "BINARY_FILES",
    "BLOCK_SIZE_FILES",
    "LISTS",
    "OTHER_PATHS",
    "PATHS",
    "RECORD_FILES",
    "STACK_FILES",
    "TEXT_FILES",
    "Source",
]

# Files of which read(2) returns one record, so that a comm cannot fake the end of a record.
RECORD_FILES = ("page_owner", "swap_page_owner")

# Text with owners that may have any size, and may have been copied.
TEXT_FILES = (*RECORD_FILES, AggregateKind.PAGE_OWNER_SORT.value, AggregateKind.PAGE_DUMP.value)

# The kernel's counts for each stack (page_owner_stacks/).
STACK_FILES = ("show_stacks", "show_handles", "show_stacks_handles")

# Files of numbers, not of text.
BINARY_FILES = ("kpagecgroup",)

# The sizes of pageblocks and of memory blocks. Without them, all else is read.
BLOCK_SIZE_FILES = ("pagetypeinfo", "block_size_bytes")

# The path of each file on the machine, relative to its root; a capture may have them flat, under these names.
PATHS = {
    "page_owner": "sys/kernel/debug/page_owner",
    "swap_page_owner": "sys/kernel/debug/swap_page_owner",
    "show_stacks": "sys/kernel/debug/page_owner_stacks/show_stacks",
    "show_handles": "sys/kernel/debug/page_owner_stacks/show_handles",
    "show_stacks_handles": "sys/kernel/debug/page_owner_stacks/show_stacks_handles",
    "kpagecgroup": "proc/kpagecgroup",
    "meminfo": "proc/meminfo",
    "meminfo-after": "proc/meminfo-after",
    "swaps": "proc/swaps",
    "zoneinfo": "proc/zoneinfo",
    "vmstat": "proc/vmstat",
    "slabinfo": "proc/slabinfo",
    "allocinfo": "proc/allocinfo",
    "buddyinfo": "proc/buddyinfo",
    "pagetypeinfo": "proc/pagetypeinfo",
    "block_size_bytes": "sys/devices/system/memory/block_size_bytes",
    "cmdline": "proc/cmdline",
    "uptime": "proc/uptime",
    "uptime-after": "proc/uptime-after",
    "boot_id": "proc/sys/kernel/random/boot_id",
    "uname": "uname",
    "date": "date",
    "pagesize": "pagesize",
    "getconf": "getconf",
    "processes": "processes",
    "cgroups": "cgroups",
    # Whose handles the records of a capture have: `kernel`, or `collector` for numbers that spo-collect chose.
    "handles": "handles",
}

# The lists that spo-collect makes; no kernel has these files.
LISTS = ("processes", "cgroups")

# Other paths in a report of a whole machine (sosreport), as patterns relative to its root.
OTHER_PATHS = {
    "uname": ("sos_commands/*/uname_-a",),
    "getconf": ("sos_commands/*/getconf_-a",),
    "date": ("sos_commands/*/date",),
}


class Source(Protocol):
    """Provide the text of kernel files."""

    @property
    def kind(self) -> str:
        """Return `live`, `capture`, `dump` or `simulator`."""
        ...

    @property
    def options(self) -> dict[str, str]:
        """Return what snapshot.json records of how this source was requested."""
        ...

    def open(self, name: str) -> KernelText | None:
        """Return the text of the file `name` of PATHS, None if this source has no such file.

        Raise SpoTraceError, with the cause and a fix, if the file exists and cannot be read.
        """
        ...

    def why_missing(self, name: str) -> Why:
        """Return why `open` returned None, if known."""
        ...
