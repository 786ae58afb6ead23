# SPDX-License-Identifier: LGPL-2.1-or-later
"""The counters of the probes, in the order of the enum in bpf/swap_owner.c, and one that the kernel keeps."""

__all__ = ["COUNTERS", "LOSSES", "MISSED"]

# Runs that the kernel skips and counts for each program: the program was already running on that processor, because a
# task was preempted in it and another task called the same function.
MISSED = "missed"

# Name and meaning. Pages are base pages.
COUNTERS = {
    "out_calls": "folios written to swap",
    "out_pages": "pages written to swap",
    "out_again": "pages written to an entry that was already in the map",
    "out_continued": "pages written that had come back from swap: their first owner was kept",
    "no_entry": "pages written without a swap entry",
    "no_owner": "pages written for which page_owner has no owner",
    "entries_full": "owners lost: the map of swap entries was full",
    "stacks_full": "stacks lost: the map of stacks was full",
    "bad_stack": "stacks that could not be read from the stack depot",
    "in_calls": "folios read from swap",
    "in_pages": "pages read from swap",
    "in_unknown": "pages read from swap whose owner was not in the map (written before the attach, or lost)",
    "restored_full": "restored pages lost: the map of restored pages was full, or memory was short",
    "free_calls": "calls that freed swap entries",
    "freed": "swap entries freed whose owner was in the map",
    "free_unknown": "swap entries freed whose owner was not in the map",
    "too_large": "folios or ranges of more than 512 pages: only 512 pages of each were seen",
    "migrated": "restored pages that moved to another page frame",
    "events_full": "pages missing from the events: the map of events was full",
    "no_caller": "events without a stack: it could not be taken, or its place in the map of stacks was in use",
    MISSED: "calls that a probe missed because it was already running on that processor",
}

# Counters that mean that the result is incomplete.
LOSSES = (
    "no_entry", "no_owner", "entries_full", "stacks_full", "bad_stack", "restored_full", "too_large", "events_full",
    "no_caller", MISSED,
)  # fmt: skip
