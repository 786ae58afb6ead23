# SPDX-License-Identifier: LGPL-2.1-or-later
"""Write the owners of the running kernel, read from its memory, to a directory.

memory_capture.py kcore|bpf DIRECTORY
"""

import sys
from pathlib import Path

from spo_trace.memory.bpf import BpfImage
from spo_trace.memory.capture import MemoryCapture
from spo_trace.memory.kcore import KcoreImage
from spo_trace.memory.running import running_kernel

METHODS = {"kcore": KcoreImage, "bpf": BpfImage}


def main(method: str, directory: str) -> None:
    """Read the running kernel's memory by a method, and write one file for each list."""
    image = METHODS[method]()
    write(MemoryCapture(running_kernel(image)), Path(directory))
    image.close()


def write(capture: MemoryCapture, directory: Path) -> None:
    """Write a capture; stacks last, because allocations add some while pages are read."""
    directory.mkdir(parents=True, exist_ok=True)
    lists = {"page_owner": capture.page_owner}
    if capture.tracking.on:
        lists["swap_page_owner"] = capture.swap_page_owner
    lists |= {"show_stacks_handles": capture.show_stacks_handles, "show_handles": capture.show_handles}
    for name, records in lists.items():
        (directory / name).write_bytes(b"".join(records()))


if __name__ == "__main__":
    main(*sys.argv[1:])
