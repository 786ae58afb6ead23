# SPDX-License-Identifier: LGPL-2.1-or-later
"""Placeholder stacks: what page_owner records when it has no stack trace of the allocation."""

from collections.abc import Sequence
from enum import StrEnum

from spo_trace.stacks.frames import function_name

__all__ = ["Placeholder", "placeholder_of"]


class Placeholder(StrEnum):
    """Functions whose own stack replaces that of the allocation (mm/page_owner.c)."""

    # The page was allocated before page_owner started.
    EARLY = "register_early_stack"
    # page_owner allocated the page for itself, or the kernel cannot take stack traces.
    DUMMY = "register_dummy_stack"
    # The stack depot was full or out of memory.
    FAILURE = "register_failure_stack"


# create_dummy_stack() is the innermost frame if the compiler did not inline it.
_INNERMOST = 2


def placeholder_of(frames: Sequence[str]) -> Placeholder | None:
    """Return the placeholder of a stack (innermost frame first), None if the stack is real.

    >>> placeholder_of(["register_early_stack+0x28/0x43", "init_page_owner+0x33/0x24d"])
    <Placeholder.EARLY: 'register_early_stack'>
    """
    names = [function_name(frame) for frame in frames[:_INNERMOST]]
    return next((one for one in Placeholder if one in names), None)
