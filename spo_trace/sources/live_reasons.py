# SPDX-License-Identifier: LGPL-2.1-or-later
"""Why this machine has no such file."""

from spo_trace.formats.missing import Missing, Why
from spo_trace.machine.facts import Machine
from spo_trace.machine.needs import why_no_page_owner
from spo_trace.sources.source import PATHS, RECORD_FILES, STACK_FILES

__all__ = ["NO_SWAP", "why_no_file"]

NO_SWAP = Why(Missing.NOT_SWITCHED_ON, "page_owner does not track swap: boot with page_owner=on,swap")

# The first releases with the files of page_owner_stacks.
_SINCE = {"show_stacks": "6.9", "show_handles": "6.19", "show_stacks_handles": "6.19"}


def why_no_file(machine: Machine, name: str) -> Why:
    """Return why the machine has no file `name` of PATHS."""
    if name not in (*RECORD_FILES, *STACK_FILES):
        return Why(Missing.NO_FILE, f"the kernel has no /{PATHS[name]}")
    if why := why_no_page_owner(machine):
        return why
    since = f" (Linux {_SINCE[name]} and later have it)" if name in _SINCE else ""
    return Why(Missing.NO_FILE, f"the kernel has no {name} file{since}")
