# SPDX-License-Identifier: LGPL-2.1-or-later
"""The stable names of findings, and of the reasons why a rule was not checked."""

from enum import StrEnum

__all__ = ["Code", "Lack"]


class Code(StrEnum):
    """Name a finding; programs compare these, never the sentence."""

    MEMORY_FULL = "memory-nearly-full"
    SWAP_FULL = "swap-nearly-full"
    TMPFS = "tmpfs-memory"
    SWAP_OWNER = "swap-owner"
    SWAP_UNKNOWN = "swap-owner-unknown"
    SWAP_BEFORE_TRACE = "swap-before-trace"
    SWAPPED_IN = "swapped-in"
    EXITED = "exited-process"
    OFFLINE_MEMCG = "offline-memcg"
    LARGE_PROCESS = "large-process"
    LARGE_MEMCG = "large-memcg"
    LARGE_MODULE = "large-module"
    LARGE_CALLSITE = "large-callsite"
    PAGE_TABLES = "page-tables"
    KERNEL_STACKS = "kernel-stacks"
    UNMOVABLE_IN_MOVABLE = "unmovable-in-movable"
    UNMOVABLE_IN_CMA = "unmovable-in-cma"
    FRAGMENTED = "fragmented"
    EARLY_BOOT = "early-boot"
    LOST_STACKS = "lost-stacks"
    NO_STACKS = "no-stacks"
    COLLECTOR = "collector-memory"
    GREW = "owner-grew"
    MODULE_GREW = "module-grew"
    SLAB_GREW = "slab-grew"
    CALLSITE_GREW = "callsite-grew"
    MOVED_TO_SWAP = "moved-to-swap"
    SWAP_GREW = "unknown-swap-grew"
    CAME_BACK = "came-back"
    CHARGED_TO_ANOTHER = "came-back-to-another"
    STEADY_GROWTH = "steady-growth"


class Lack(StrEnum):
    """Name what an input lacks, so that a rule was not checked; `text` is for people."""

    text: str

    MEMINFO = "no-meminfo", "/proc/meminfo"
    MEMORY_OWNERS = "no-memory-owners", "the owners of memory"
    SWAP_OWNERS = "no-swap-owners", "the owners of swap"
    SWAPS = "no-swaps", "/proc/swaps"
    PROCESSES = "no-processes", "the list of processes"
    CLOCK = "no-clock", "times that agree with /proc/uptime"
    MEMCG = "no-memcg", "the memory cgroups of pages"
    COMM = "no-comm", "the names of processes"
    STACKS = "no-stack-traces", "stack traces"
    MIGRATETYPE = "no-migratetype", "the migrate types of pages"
    BUDDYINFO = "no-buddyinfo", "/proc/buddyinfo"
    PAGEBLOCKS = "no-pageblock-size", "the size of a pageblock"
    COST = "no-cost", "the collector's own number of pages"

    def __new__(cls, code: str, text: str) -> "Lack":
        """Return the member whose value is `code`."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.text = text
        return member
