# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `explain` finds in each capture: scenario → codes, from what the fixtures' README says was done there."""

from spo_trace.findings.codes import Code

__all__ = ["ONE", "ONE_AGGREGATE", "SIMULATED", "SIMULATED_TWO", "TWO", "TWO_AGGREGATES"]

# An idle guest has no findings.
ONE: dict[str, set[Code]] = {
    "captures/7.2-spo/0-initial": set(),
    # dd writes 256 MiB into a tmpfs of a machine with 459 MiB.
    "captures/7.2-spo/1-dd256": {Code.TMPFS},
    # DD fills memory with a tmpfs that cannot be swapped; the file of dd is in swap.
    "captures/7.2-spo/2-swapped": {Code.MEMORY_FULL, Code.TMPFS, Code.SWAP_OWNER},
    "captures/7.2-spo/3-back": {Code.TMPFS},
    "captures/7.2-stock/0-initial": set(),
    "captures/7.2-stock/1-dd256": {Code.TMPFS},
    "captures/7.2-stock/2-swapped": {Code.MEMORY_FULL, Code.TMPFS, Code.SWAP_UNKNOWN},
    # Here, the file of dd counts as cat's.
    "captures/7.2-stock/3-back": {Code.TMPFS, Code.SWAPPED_IN},
    # No owner has a quarter of memory.
    "captures/7.2-spo-varied/0-before": set(),
    "captures/7.2-spo-varied/1-allocated": set(),
    "captures/7.2-spo-varied/2-swapped": {Code.SWAP_OWNER},
    "captures/7.2-spo-varied/3-partial": {Code.SWAP_OWNER},
    "captures/7.2-spo-varied/4-swapoff": set(),
    "captures/7.2-spo-varied/5-end": set(),
    "captures-64k/1-dd256": {Code.TMPFS},
    "captures-kinds/6.1-stock-2n": set(),
    "captures-kinds/7.2-spo-1n": set(),
    "captures-kinds/7.2-spo-arm64-4k": set(),
    "captures-kinds/7.2-spo-full-2n": set(),
    "captures-releases/6.1": set(),
    "captures-releases/6.12": set(),
    "captures-releases/7.2": set(),
}

# show_stacks alone: what is left of ONE is the tmpfs of dd and DD, without their names.
ONE_AGGREGATE: dict[str, set[Code]] = {
    "7.2-spo/0-initial": set(),
    "7.2-spo/1-dd256": {Code.TMPFS},
    "7.2-spo/2-swapped": {Code.TMPFS},
    "7.2-stock/2-swapped": {Code.TMPFS},
    "7.2-stock/3-back": {Code.TMPFS},
}

TWO: dict[tuple[str, str], set[Code]] = {
    ("captures/7.2-spo/0-initial", "captures/7.2-spo/1-dd256"): {Code.GREW},
    ("captures/7.2-spo/1-dd256", "captures/7.2-spo/2-swapped"): {Code.GREW, Code.MOVED_TO_SWAP},
    ("captures/7.2-spo/2-swapped", "captures/7.2-spo/3-back"): {Code.CAME_BACK},
    ("captures/7.2-stock/0-initial", "captures/7.2-stock/1-dd256"): {Code.GREW},
    ("captures/7.2-stock/1-dd256", "captures/7.2-stock/2-swapped"): {Code.GREW, Code.SWAP_GREW},
    ("captures/7.2-stock/2-swapped", "captures/7.2-stock/3-back"): {Code.CHARGED_TO_ANOTHER},
    # Workers allocate, page themselves out, and touch a half; what comes back is less than 5 % of memory. The inodes of
    # 6,000 files are 3.9 MiB of slab, less than 1 %.
    ("captures/7.2-spo-varied/0-before", "captures/7.2-spo-varied/1-allocated"): {Code.GREW},
    ("captures/7.2-spo-varied/1-allocated", "captures/7.2-spo-varied/2-swapped"): {Code.MOVED_TO_SWAP},
    ("captures/7.2-spo-varied/2-swapped", "captures/7.2-spo-varied/3-partial"): set(),
    ("captures/7.2-spo-varied/4-swapoff", "captures/7.2-spo-varied/5-end"): set(),
    # One workload: the kernel's own memory grows and shrinks by less than 1 %.
    ("captures-releases/6.1", "captures-releases/6.12"): set(),
    ("captures-releases/6.12", "captures-releases/7.2"): set(),
}

# show_stacks alone, of these stages: no processes, no swap, and no /proc/meminfo. Patched kernels count pages in swap
# too, for the stack that allocated them first.
TWO_AGGREGATES: dict[tuple[str, str], set[Code]] = {
    ("7.2-spo/0-initial", "7.2-spo/1-dd256"): {Code.CALLSITE_GREW},
    ("7.2-spo/1-dd256", "7.2-spo/2-swapped"): {Code.CALLSITE_GREW},
    # The file of DD is removed; that of dd is counted before and after.
    ("7.2-spo/2-swapped", "7.2-spo/3-back"): set(),
    ("7.2-stock/0-initial", "7.2-stock/1-dd256"): {Code.CALLSITE_GREW},
    ("7.2-stock/1-dd256", "7.2-stock/2-swapped"): {Code.CALLSITE_GREW},
    # Here, its pages have the stack that swapped them in.
    ("7.2-stock/2-swapped", "7.2-stock/3-back"): {Code.CALLSITE_GREW},
    ("7.2-spo-varied/0-before", "7.2-spo-varied/1-allocated"): {Code.CALLSITE_GREW},
    # Huge pages, which the kernel does not count here, are split when they are swapped out.
    ("7.2-spo-varied/1-allocated", "7.2-spo-varied/2-swapped"): {Code.CALLSITE_GREW},
    ("7.2-spo-varied/2-swapped", "7.2-spo-varied/3-partial"): set(),
    ("7.2-spo-varied/4-swapoff", "7.2-spo-varied/5-end"): set(),
}

# Scenario and stage of the simulator.
SIMULATED: dict[tuple[str, str], set[Code]] = {
    ("rfc-after", "2-swapped"): {Code.MEMORY_FULL, Code.TMPFS, Code.SWAP_OWNER},
    ("rfc-before", "2-swapped"): {Code.MEMORY_FULL, Code.TMPFS, Code.SWAP_UNKNOWN},
    ("rfc-before", "3-back"): {Code.TMPFS, Code.SWAPPED_IN},
    ("leak", "minute-00"): set(),
    # A build, which has exited, left 12 MiB in a tmpfs of a machine with 64 MiB.
    ("leak", "minute-09"): {Code.TMPFS, Code.EXITED},
    # web.service has a quarter of 22 MiB.
    ("quick", "0-start"): {Code.LARGE_MEMCG},
}
SIMULATED_TWO: dict[tuple[str, str, str], set[Code]] = {
    # Of the leak in swap (3.3 MiB of 64), a difference says nothing: trend does. The driver's leak is in a module.
    ("leak", "minute-00", "minute-09"): {Code.GREW, Code.MODULE_GREW},
    ("quick", "0-start", "1-leak"): {Code.MODULE_GREW},
}
