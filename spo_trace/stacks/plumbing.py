# SPDX-License-Identifier: LGPL-2.1-or-later
"""Both ends of a stack that tell nothing about its owner: the allocators, and how the kernel was entered."""

import re
from collections.abc import Sequence
from fnmatch import translate
from functools import lru_cache
from typing import NamedTuple

from spo_trace.stacks.frames import function_name
from spo_trace.stacks.meaning import allocator_depth, is_allocator

__all__ = ["ENTRIES", "Plumbing", "is_plumbing", "plumbing"]

# Functions through which every system call, fault, interrupt, kernel thread or initcall passes, as shell-style globs.
# `__x64_sys_write` and the like are not listed: they name the system call.
ENTRIES = """
    entry_* do_syscall_* x64_sys_call __do_fast_syscall_32
    asm_* exc_* page_fault do_page_fault __do_page_fault do_user_addr_fault
    el0_* el0t_* el1_* el1h_* do_el0_* do_mem_abort do_translation_fault
    handle_softirqs __do_softirq
    ret_from_* kthread worker_thread process_one_work process_scheduled_works smpboot_thread_fn
    kernel_init kernel_init_freeable do_one_initcall rest_init
    start_kernel x86_64_start_* common_startup_* __primary_switched
"""

_ENTRIES = re.compile("|".join(translate(glob) for glob in ENTRIES.split()))


class Plumbing(NamedTuple):
    """Count the frames at both ends of a stack: `inner` of the allocators, `outer` of the entry to the kernel."""

    inner: int
    outer: int


def plumbing(frames: Sequence[str]) -> Plumbing:
    """
    Return how many frames at both ends of a stack are plumbing; at least one frame remains. Innermost frame first.

    >>> plumbing(["get_page_from_freelist+0x8a0/0x923", "pte_alloc_one+0x16/0x2d", "asm_exc_page_fault+0x26/0x30"])
    Plumbing(inner=1, outer=1)
    """
    inner = allocator_depth(frames)
    outermost_first = frames[:inner:-1]
    outer = next((n for n, frame in enumerate(outermost_first) if not _is_entry(frame)), len(outermost_first))
    return Plumbing(inner, outer)


# Cached, because most frames occur in many stacks.
@lru_cache(maxsize=1 << 16)
def is_plumbing(frame: str) -> bool:
    """Return whether a frame is of an allocator or of the entry to the kernel, wherever it is in a stack."""
    return is_allocator(frame) or _is_entry(frame)


@lru_cache(maxsize=1 << 16)
def _is_entry(frame: str) -> bool:
    return bool(_ENTRIES.match(function_name(frame)))
