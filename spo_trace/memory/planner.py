# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plans for reading the running kernel.

A single reading is planned in a process that ends before it, a series in its own. The module imports only the standard
library: start-up and memory are a part of what reading costs.
"""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from spo_trace.memory.agreement import compare
from spo_trace.memory.kcore import KcoreImage
from spo_trace.memory.kernel import Kernel
from spo_trace.memory.owner_layout import OwnerLayout
from spo_trace.memory.plan import plan_text
from spo_trace.memory.problem import Problem
from spo_trace.memory.published import Published
from spo_trace.memory.running import running_kernel
from spo_trace.memory.stack_depot import find_depot
from spo_trace.memory.swap_layout import find_swap_owners, swap_tracking

__all__ = ["Answer", "Planner", "main"]

_MEMINFO = Path("/proc/meminfo")

# Records cannot be printed without these.
_PRINTED = ("gfpflag_names", "pageflag_names", "migratetype_names", "migrate_reason_names")
_WANTED = (
    *_PRINTED,
    *("stack_pools", "stack_slabs", "stack_max_pools", "swap_page_owner_inited", "swap_page_owners"),
    *("page_owner_ops", "page_ext_size", "mem_section", "min_low_pfn", "max_pfn"),
)


# One of
# - compared, and the number of records that debugfs and memory have alike
# - not compared, and why
# - different, and what differs
# - problem, why memory cannot be read, and how to fix it
Answer = tuple[str, ...]


class Planner:
    """Make plans, any number of them.

    Symbols and types are read once, because they stay as they are until the kernel ends. Addresses, sizes, ranges of
    memory and swap areas are read again for each plan, so that no plan outlives what it describes.
    """

    def __init__(self, wanted: tuple[str, ...] | None = None) -> None:
        """`wanted`: names of the only symbols to read; None: all, which printing owners needs."""
        self._wanted = wanted
        self._found: Published | None = None
        self._agreed: tuple[bytes, Answer] | None = None

    def plan(self, fd: int, page_owner: str) -> Answer:
        """Write a plan to a file descriptor; `page_owner`: its path in debugfs.

        Debugfs is compared with memory, unless it agreed for an equal plan: the collector reads by the plan alone.
        """
        try:
            answer = self._planned(fd, page_owner)
        except Problem as problem:
            answer = ("problem", problem.message, problem.hint or "")
        return tuple(line.replace("\n", " ") for line in answer)

    def kernel(self, images: ExitStack, pageblock_order: int | None) -> Kernel:
        """Return the kernel with its current modules, to print owners; `images` closes its memory. Raise Problem."""
        kernel, _ = running_kernel(images, self._published(), pageblock_order)
        self._published().update_modules(kernel)
        return kernel

    def _published(self) -> Published:
        if self._found is None:
            self._found = Published(self._wanted)
        return self._found

    def _planned(self, fd: int, page_owner: str) -> Answer:
        with ExitStack() as images:
            kernel, layout = running_kernel(images, self._published(), self._published().pageblock_order)
            text = _text(kernel, layout)
            with open(fd, "wb", closefd=False) as file:
                file.write(text)
            if self._agreed is not None and self._agreed[0] == text:
                return self._agreed[1]
            answer = _compared(kernel, layout, page_owner)
        if answer[0] == "compared":
            self._agreed = text, answer
        return answer


def main(arguments: Sequence[str]) -> None:
    """Write the plan to a file descriptor, and the answer to standard output, a part on each line.

    The arguments are the number of the descriptor, and the path of page_owner in debugfs.
    """
    fd, page_owner = arguments
    print("\n".join(Planner(_WANTED).plan(int(fd), page_owner)))


def _text(kernel: Kernel, layout: OwnerLayout) -> bytes:
    for name in _PRINTED:
        kernel.symbols.address(name)
    swap = find_swap_owners(kernel) if swap_tracking(kernel).on else None
    ranges = kernel.image.ranges() if isinstance(kernel.image, KcoreImage) else None
    return plan_text(layout, find_depot(kernel), swap, _swap_pages(layout.page_size), ranges)


def _compared(kernel: Kernel, layout: OwnerLayout, page_owner: str) -> Answer:
    try:
        agreement = compare(kernel, layout, page_owner)
    except OSError as error:
        return "not compared", f"{page_owner} cannot be read: {error.strerror}"
    if agreement.different or not agreement.compared:
        return "different", agreement.different or "no record stayed the same meanwhile"
    return "compared", str(agreement.compared)


def _swap_pages(page_size: int) -> int:
    with _MEMINFO.open("rb") as file:
        for line in file:
            if line.startswith(b"SwapTotal:"):
                return (int(line.split()[1]) << 10) // page_size
    return 0


if __name__ == "__main__":
    main(sys.argv[1:])
