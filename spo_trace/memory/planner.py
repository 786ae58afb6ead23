# SPDX-License-Identifier: LGPL-2.1-or-later
"""Make the plan for the running kernel, in a process that has ended before its memory is read.

It imports only the standard library: start-up and memory are a part of what reading costs.
"""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from spo_trace.memory.agreement import compare
from spo_trace.memory.bpf import BpfImage
from spo_trace.memory.kcore import KcoreImage
from spo_trace.memory.kernel import Kernel
from spo_trace.memory.owner_layout import OwnerLayout, find_owners
from spo_trace.memory.plan import plan_text
from spo_trace.memory.problem import Problem
from spo_trace.memory.running import pageblock_order, published
from spo_trace.memory.swap_layout import find_swap_owners, swap_tracking

__all__ = ["main"]

_MACHINES = ("x86_64", "aarch64")

# Records cannot be printed without these.
_PRINTED = ("gfpflag_names", "pageflag_names", "migratetype_names", "migrate_reason_names")
_WANTED = (
    *_PRINTED,
    *("stack_pools", "stack_slabs", "stack_max_pools", "swap_page_owner_inited", "swap_page_owners"),
    *("page_owner_ops", "page_ext_size", "mem_section", "min_low_pfn", "max_pfn"),
)

_IMAGES: tuple[Callable[[], KcoreImage | BpfImage], ...] = (KcoreImage, BpfImage)


def main(arguments: Sequence[str]) -> None:
    """Write the plan to a file descriptor, and an answer of two lines to standard output.

    The arguments are the number of the descriptor, and the path of page_owner in debugfs. The first line of the answer
    is one of: `compared`, the second has the number of records that debugfs and memory have alike; `not compared`, the
    second tells why; `different`, the second names a record of which they differ; `problem`, the second tells why
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
        kernel, layout = _kernel(images)
        swap = find_swap_owners(kernel) if swap_tracking(kernel).on else None
        image = kernel.image
        ranges = image.ranges() if isinstance(image, KcoreImage) else None
        with open(fd, "wb") as file:
            file.write(plan_text(layout, swap, _swap_pages(layout.page_size), ranges))
        try:
            agreement = compare(kernel, layout, page_owner)
        except OSError as error:
            return "not compared", f"{page_owner} cannot be read: {error.strerror}"
    if agreement.different:
        return "different", agreement.different
    return "compared", str(agreement.compared)


# Through /proc/kcore if possible, which takes fewer steps in the kernel than BPF for small reads.
def _kernel(images: ExitStack) -> tuple[Kernel, OwnerLayout]:
    machine = os.uname().machine
    if machine not in _MACHINES:
        raise Problem(f"owners cannot be read from memory on {machine}", f"{' and '.join(_MACHINES)} are supported")
    symbols, types = published(_WANTED)
    order, problems = pageblock_order(), []
    for open_image in _IMAGES:
        try:
            kernel = Kernel(images.enter_context(closing(open_image())), symbols, types)
            layout = find_owners(kernel, order)
        except Problem as problem:
            problems.append(problem)
            continue
        for name in _PRINTED:
            symbols.address(name)
        return kernel, layout
    messages = dict.fromkeys(problem.message for problem in problems)
    raise Problem("; ".join(messages), problems[-1].hint)


def _swap_pages(page_size: int) -> int:
    with Path("/proc/meminfo").open("rb") as file:
        for line in file:
            if line.startswith(b"SwapTotal:"):
                return (int(line.split()[1]) << 10) // page_size
    return 0


if __name__ == "__main__":
    main(sys.argv[1:])
