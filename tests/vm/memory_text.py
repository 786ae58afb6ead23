# SPDX-License-Identifier: LGPL-2.1-or-later
"""The text of owners out of memory, as files of a capture."""

from pathlib import Path

from spo_trace.memory.capture import MemoryCapture

__all__ = ["write"]


def write(capture: MemoryCapture, directory: Path) -> None:
    """Write the text of a capture's owners, one file for each list."""
    directory.mkdir(parents=True, exist_ok=True)
    lists = {"page_owner": capture.page_owner}
    if capture.tracking.on:
        lists["swap_page_owner"] = capture.swap_page_owner
    lists |= {"show_stacks_handles": capture.show_stacks_handles, "show_handles": capture.show_handles}
    for name, records in lists.items():
        (directory / name).write_bytes(b"".join(records()))
