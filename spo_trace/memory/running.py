# SPDX-License-Identifier: LGPL-2.1-or-later
"""The running kernel: its memory, with the symbols and types that it publishes itself."""

from collections.abc import Callable
from contextlib import ExitStack, closing

from spo_trace.memory.bpf import BpfImage
from spo_trace.memory.image import Unreadable
from spo_trace.memory.kcore import KcoreImage
from spo_trace.memory.kernel import Kernel
from spo_trace.memory.owner_layout import OwnerLayout, find_owners
from spo_trace.memory.problem import Problem
from spo_trace.memory.published import Published

__all__ = ["running_kernel"]

# In order of preference: kcore needs less of the kernel for a small read.
_IMAGES: tuple[Callable[[], KcoreImage | BpfImage], ...] = (KcoreImage, BpfImage)


def running_kernel(images: ExitStack, published: Published, pageblock_order: int | None) -> tuple[Kernel, OwnerLayout]:
    """Return the running kernel, and where it keeps owners; `images` closes its memory.

    `pageblock_order`: None if it is unknown. Raise Problem, with the alternative, if memory cannot be read, or has no
    owners.
    """
    problems: list[Problem] = []
    for open_image in _IMAGES:
        try:
            image = open_image()
        except Problem as problem:
            problems.append(problem)
            continue
        kernel = Kernel(images.enter_context(closing(image)), published.symbols, published.types)
        try:
            return kernel, find_owners(kernel, pageblock_order)
        except Unreadable as problem:
            # /proc/kcore may lack some memory.
            problems.append(problem)
    messages = dict.fromkeys(problem.message for problem in problems)
    raise Problem("; ".join(messages), problems[-1].hint)
