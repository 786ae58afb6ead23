# SPDX-License-Identifier: LGPL-2.1-or-later
"""Make the plan for the running kernel, in a process that has ended before its memory is read.

It imports only the standard library: start-up and memory are a part of what reading costs.
"""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from spo_trace.memory.agreement import compare
from spo_trace.memory.kcore import KcoreImage
from spo_trace.memory.plan import plan_text
from spo_trace.memory.problem import Problem
from spo_trace.memory.running import running_kernel
from spo_trace.memory.stack_depot import find_depot
from spo_trace.memory.swap_layout import find_swap_owners, swap_tracking

__all__ = ["main"]

# Records cannot be printed without these.
_PRINTED = ("gfpflag_names", "pageflag_names", "migratetype_names", "migrate_reason_names")
_WANTED = (
    *_PRINTED,
    *("stack_pools", "stack_slabs", "stack_max_pools", "swap_page_owner_inited", "swap_page_owners"),
    *("page_owner_ops", "page_ext_size", "mem_section", "min_low_pfn", "max_pfn"),
)


def main(arguments: Sequence[str]) -> None:
    """Write the plan to a file descriptor, and an answer of two lines to standard output.

    The arguments are the number of the descriptor, and the path of page_owner in debugfs. The first line of the answer
    is one of: `compared`, the second has the number of records that debugfs and memory have alike; `not compared`, the
    second tells why; `different`, the second tells what differs; `problem`, the second tells why
    memory cannot be read, and a third how to fix it.
    """
    fd, page_owner = arguments
    try:
        answer = _answer(int(fd), page_owner)
    except Problem as problem:
        answer = ("problem", problem.message, problem.hint or "")
    print("\n".join(line.replace("\n", " ") for line in answer))


def _answer(fd: int, page_owner: str) -> tuple[str, ...]:
    with ExitStack() as images:
        kernel, layout = running_kernel(images, _WANTED)
        for name in _PRINTED:
            kernel.symbols.address(name)
        swap = find_swap_owners(kernel) if swap_tracking(kernel).on else None
        image = kernel.image
        ranges = image.ranges() if isinstance(image, KcoreImage) else None
        with open(fd, "wb") as file:
            file.write(plan_text(layout, find_depot(kernel), swap, _swap_pages(layout.page_size), ranges))
        try:
            agreement = compare(kernel, layout, page_owner)
        except OSError as error:
            return "not compared", f"{page_owner} cannot be read: {error.strerror}"
    if agreement.different or not agreement.compared:
        return "different", agreement.different or "no record stayed the same meanwhile"
    return "compared", str(agreement.compared)


def _swap_pages(page_size: int) -> int:
    with Path("/proc/meminfo").open("rb") as file:
        for line in file:
            if line.startswith(b"SwapTotal:"):
                return (int(line.split()[1]) << 10) // page_size
    return 0


if __name__ == "__main__":
    main(sys.argv[1:])
