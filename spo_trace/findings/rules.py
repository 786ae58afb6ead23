# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table of rules: for each code, when it is found, its sentence and what can be done.

A sentence has fields of a finding's numbers and names. Of several sentences, the first one applies whose fields all
have a value.
"""

from collections.abc import Mapping
from typing import NamedTuple

from spo_trace.findings.codes import Code
from spo_trace.findings.thresholds import Threshold

__all__ = ["RULES", "Rule"]


class Rule(NamedTuple):
    """Describe a rule: `found_if` is its condition in words, `threshold` the amount in it."""

    found_if: str
    threshold: Threshold | None
    sentences: tuple[str, ...]
    action: str | None = None


_OF = "({share} of {whole})"
_UNKNOWN_SWAP = "{used} of swap is in use, and its owners are unknown"

RULES: Mapping[Code, Rule] = {
    Code.MEMORY_FULL: Rule(
        "MemAvailable is low",
        Threshold.MEMORY_LEFT,
        ("Memory is nearly exhausted: MemAvailable {available} of {memory}.",),
        "Free or limit the memory of the largest owner.",
    ),
    Code.SWAP_FULL: Rule(
        "most of the swap space is in use",
        Threshold.SWAP_USED,
        ("Swap is nearly full: {used} of {size} are in use.",),
        "Add swap space, or free the memory of its largest owner.",
    ),
    Code.TMPFS: Rule(
        "processes with one name allocated much of memory as tmpfs or shared memory. Without the names of processes: "
        "much of memory is tmpfs or shared memory",
        Threshold.TMPFS,
        (
            "{mem} of memory is tmpfs or shared memory that {reader} swapped in or allocated. "
            "Such pages cannot be dropped, only swapped or deleted.",
            "{mem} of memory is tmpfs or shared memory that {owner} allocated. "
            "Such pages cannot be dropped, only swapped or deleted.",
            # Counts by stack can include pages in swap.
            "{mem} is tmpfs or shared memory of unknown owners. Such pages cannot be dropped, only swapped or deleted.",
        ),
        "Delete files in tmpfs (df -t tmpfs) or shared memory (ipcs -m) that are not needed.",
    ),
    Code.SWAP_OWNER: Rule(
        "at least half of the swap in use is memory of one category that processes with one name allocated",
        Threshold.SWAP,
        (
            "{swap} in swap was allocated by {owner} as {category} pages: {part} of the {used} that were used when "
            "/proc/swaps was read.",
            "{swap} in swap was allocated by {owner} as {category} pages: all of the {used} that were used when "
            "/proc/swaps was read.",
            "{swap} in swap was allocated by {owner} as {category} pages.",
        ),
    ),
    Code.SWAP_UNKNOWN: Rule(
        "swap is in use, and its owners are unknown",
        Threshold.SWAP,
        (
            f"{_UNKNOWN_SWAP}: processes named {{owner}} have at least {{least}} of it, tmpfs and shared memory at "
            "least {shmem}.",
            f"{_UNKNOWN_SWAP}: processes named {{owner}} have at least {{least}} of it.",
            f"{_UNKNOWN_SWAP}: tmpfs and shared memory have at least {{shmem}} of it.",
            f"{_UNKNOWN_SWAP}.",
        ),
        "spo-trace trace records the owners of pages that are swapped out after its start.",
    ),
    Code.SWAP_BEFORE_TRACE: Rule(
        "pages in swap are older than the trace",
        Threshold.SWAP,
        ("{swap} was swapped out before the trace was attached: its owners are unknown.",),
        "Start spo-trace trace at boot.",
    ),
    Code.SWAPPED_IN: Rule(
        "memory belongs to the process that swapped it in, not to the one that allocated it first",
        Threshold.SWAP,
        ("{mem} of memory was swapped in by {owner}: it counts as {owner}'s, whoever allocated it first.",),
        "With the swap_page_owner patches or a running spo-trace trace, such memory keeps its first owner.",
    ),
    Code.EXITED: Rule(
        "memory other than page cache and slab was allocated by a process that has exited",
        Threshold.LEFT_BEHIND,
        ("{total} was allocated by {owner}, process {tgid}, which has exited (mostly {category}).",),
    ),
    Code.OFFLINE_MEMCG: Rule(
        "pages are charged to memory cgroups that have been removed",
        Threshold.LEFT_BEHIND,
        ("{mem} of memory is charged to memory cgroups that have been removed.",),
        "Removed cgroups keep page cache and tmpfs until it is reclaimed: delete the files, or drop caches.",
    ),
    Code.LARGE_PROCESS: Rule(
        "processes with one name own much of memory and swap",
        Threshold.OWNER,
        (
            f"{{total}} of memory and swap was allocated by {{owner}} {_OF}.",
            f"{{mem}} of memory was allocated by {{owner}} {_OF}.",
        ),
    ),
    Code.LARGE_MEMCG: Rule(
        "pages are charged to one memory cgroup other than the root",
        Threshold.OWNER,
        (f"{{mem}} of memory is charged to the memory cgroup {{owner}} {_OF}.",),
        "memory.high limits a cgroup without killing its processes.",
    ),
    Code.LARGE_MODULE: Rule(
        "one kernel module allocated much of memory",
        Threshold.KERNEL,
        (f"{{total}} was allocated by the kernel module {{owner}} {_OF}.",),
    ),
    Code.LARGE_CALLSITE: Rule(
        "one call site allocated much of memory for the kernel (no page cache, tmpfs or anonymous memory)",
        Threshold.KERNEL,
        (f"{{total}} of kernel memory was allocated in {{owner}} {_OF}.",),
    ),
    Code.PAGE_TABLES: Rule(
        "page tables are out of proportion",
        Threshold.KERNEL_SHARE,
        (f"Page tables take {{mem}} of memory {_OF}.",),
        "Processes that share much memory need huge pages, so that each has fewer page tables.",
    ),
    Code.KERNEL_STACKS: Rule(
        "kernel stacks are out of proportion",
        Threshold.KERNEL_SHARE,
        (f"Kernel stacks of threads take {{mem}} of memory {_OF}.",),
        "Look for a process with very many threads: ps -eo nlwp,pid,comm --sort -nlwp",
    ),
    Code.UNMOVABLE_IN_MOVABLE: Rule(
        "unmovable pages are in movable pageblocks, although the kernel groups pages by mobility",
        Threshold.UNMOVABLE,
        ("{mem} of unmovable pages are in movable pageblocks, which cannot become huge pages or go offline.",),
    ),
    Code.UNMOVABLE_IN_CMA: Rule(
        "unmovable pages are in CMA pageblocks",
        None,
        ("{mem} of unmovable pages are in CMA pageblocks: allocations from CMA may fail.",),
    ),
    Code.FRAGMENTED: Rule(
        "almost none of the free memory is in blocks of a pageblock or more; checked if enough memory is free",
        Threshold.LARGE_BLOCKS,
        ("Free memory is fragmented: of {free}, {large} is in blocks of at least {block}.",),
        "echo 1 > /proc/sys/vm/compact_memory",
    ),
    Code.EARLY_BOOT: Rule(
        "much of memory was allocated before page_owner started",
        Threshold.UNOWNED,
        (f"{{mem}} of memory was allocated before page_owner started, by unknown owners {_OF}.",),
    ),
    Code.LOST_STACKS: Rule(
        "owners are lost because the stack depot was full or out of memory",
        Threshold.LOST,
        ("The owners of {total} are lost: the kernel's stack depot was full or out of memory.",),
        "Boot with a larger stack_depot_max_pools, if the kernel has it.",
    ),
    Code.NO_STACKS: Rule(
        "pages have no stack trace",
        Threshold.LOST,
        ("{total} has no stack trace: page_owner's own, or of a kernel that cannot take stack traces.",),
    ),
    Code.COLLECTOR: Rule(
        "the collector of the snapshot took memory itself",
        Threshold.COLLECTOR,
        ("{own} of the listed memory is spo-trace's own, allocated while it read.",),
        "The C collector takes less, unless a trace runs: spo-trace doctor shows whether it is installed.",
    ),
    Code.GREW: Rule(
        "the memory and swap of processes with one name grew",
        Threshold.GROWTH,
        ("{owner} grew by {total}.",),
    ),
    Code.MODULE_GREW: Rule(
        "the memory of a kernel module grew",
        Threshold.KERNEL_GROWTH,
        ("The kernel module {owner} grew by {total}.",),
        "Take more snapshots: spo-trace trend tells a leak from a step.",
    ),
    Code.SLAB_GREW: Rule(
        "slab memory of one caller grew",
        Threshold.KERNEL_GROWTH,
        ("Slab memory allocated in {owner} grew by {total}.",),
        "Take more snapshots: spo-trace trend tells a leak from a cache that fills.",
    ),
    Code.CALLSITE_GREW: Rule(
        "memory that one function or site allocated grew, other than slab and that of modules. Memory of processes and "
        "files is checked if the names of processes are unknown, with the threshold growth",
        Threshold.KERNEL_GROWTH,
        (
            "{category} memory allocated in {owner} grew by {total}.",
            "Memory allocated at {owner} grew by {total}.",
        ),
        "Take more snapshots: spo-trace trend tells a leak from a step.",
    ),
    Code.MOVED_TO_SWAP: Rule(
        "memory of processes with one name shrank, and their swap grew",
        Threshold.GROWTH,
        ("{swap} of {owner} was swapped out, and its memory shrank by {left}.",),
    ),
    Code.SWAP_GREW: Rule(
        "swap in use grew, and its owners are unknown",
        Threshold.GROWTH,
        ("Swap in use grew from {before} to {after}, and its owners are unknown.",),
        "spo-trace trace records the owners of pages that are swapped out after its start.",
    ),
    Code.CAME_BACK: Rule(
        "memory grew that came back from swap and kept its first owner",
        Threshold.GROWTH,
        ("{mem} of {owner} came back from swap, and kept its owner.",),
    ),
    Code.CHARGED_TO_ANOTHER: Rule(
        "swap in use shrank, and memory that a process swapped in grew, without its first owner",
        Threshold.GROWTH,
        (
            "{mem} came back from swap, and counts as {owner}'s, which swapped it in, whoever allocated it first "
            "(swap in use: {before} before, {after} now).",
        ),
        "With the swap_page_owner patches or a running spo-trace trace, such memory keeps its first owner.",
    ),
    Code.STEADY_GROWTH: Rule(
        "an owner grows steadily in a recording (95 % confidence)",
        Threshold.STEADY,
        ("{owner} grew steadily from {first} to {last}, by at least {rate} (95 % confidence).",),
        "Look at its stacks: spo-trace report SNAPSHOT --by stack",
    ),
}
