# SPDX-License-Identifier: LGPL-2.1-or-later
"""When an amount is worth a finding: every threshold of the rules, with its reason."""

from enum import Enum

__all__ = ["LEAST_BYTES", "MOST_FINDINGS", "MOST_IN_REPORT", "SAME_MEMORY", "Threshold"]

# More than these are not read.
MOST_FINDINGS = 7
# Above the table of a report, which is what was asked for.
MOST_IN_REPORT = 3
# A finding is left out if a more specific one already names this share of its memory.
SAME_MEMORY = 0.8

# No smaller amount is worth a finding. Per-CPU lists and partial slabs grow and shrink by this much.
LEAST_BYTES = 1 << 20


class Threshold(Enum):
    """Name a threshold; `share` is a share (0 to 1) of `whole`, `reason` says why."""

    share: float
    whole: str
    reason: str

    MEMORY_LEFT = 0.05, "MemTotal", "less is available than a new process or a burst of packets may need at once"
    SWAP_USED = 0.9, "swap", "what is left is filled within seconds, and then memory cannot be freed by swapping"
    OWNER = 0.25, "MemTotal", "of a hundred processes, one with a quarter of memory is what to look at first"
    TMPFS = 0.1, "MemTotal", "the kernel frees page cache under pressure, but this memory stays until it is deleted"
    KERNEL = 0.1, "MemTotal", "all kernel memory of an idle machine is about a tenth of memory"
    KERNEL_SHARE = 0.03, "MemTotal", "page tables of all memory take 0.2 %, 16 KiB stacks of 1,000 threads 16 MiB"
    SWAP = 0.05, "MemTotal", "a few pages are in swap on any machine that has been up for days"
    LEFT_BEHIND = 0.02, "MemTotal", "processes and cgroups that are gone leave some cached objects behind"
    UNMOVABLE = 0.01, "MemTotal", "one page in a pageblock is enough to prevent a huge page of 512 pages"
    FREE = 0.05, "MemTotal", "with less free memory, few large blocks are normal"
    LARGE_BLOCKS = 0.05, "free memory", "then most allocations of huge pages need compaction"
    UNOWNED = 0.05, "MemTotal", "the kernel allocates about 2 % of memory before page_owner starts"
    LOST = 0.01, "listed memory and swap", "every snapshot has a few pages of page_owner itself"
    COLLECTOR = 0.01, "MemTotal", "the collector takes 2 to 3 MiB"
    GROWTH = 0.05, "MemTotal", "a machine that works changes by a few percent"
    KERNEL_GROWTH = 0.01, "MemTotal", "kernel memory of a machine in use is almost constant"
    STEADY = 0.1, "the last sample", "less is noise of the fit in a short recording"

    def __init__(self, share: float, whole: str, reason: str) -> None:
        self.share = share
        self.whole = whole
        self.reason = reason
