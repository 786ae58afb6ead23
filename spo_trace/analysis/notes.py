# SPDX-License-Identifier: LGPL-2.1-or-later
"""Notes: sentences that accompany a table because they affect how to read it, each with a stable code."""

from enum import StrEnum
from typing import NamedTuple

__all__ = ["Note", "NoteCode"]


class NoteCode(StrEnum):
    """Kinds of notes; programs compare these, never the text."""

    INCOMPLETE_INPUT = "incomplete-input"
    OWNERS_LOST = "owners-lost"
    NO_STACK_TRACES = "no-stack-traces"
    NO_ROWS_MATCH = "no-rows-match"
    ROWS_LEFT_OUT = "rows-left-out"
    TOTAL = "total"
    SWAP_UNKNOWN = "swap-owners-unknown"
    SWAP_LEAST = "swap-at-least"
    SWAP_LEAST_ELSEWHERE = "swap-at-least-elsewhere"
    KERNEL_COUNTS = "kernel-counts"
    NOT_COMPARED = "not-compared"
    MEMORY_UNKNOWN = "memory-owners-unknown"
    SWAP_CACHE = "swap-cache"
    NOT_SELECTED = "not-selected"
    KEY_UNKNOWN = "key-unknown"
    MEMCG_NAMES = "memcg-names"
    PID_REUSED = "pid-reused"
    COMPRESSED_SWAP = "compressed-swap"
    KERNEL_UNKNOWN = "kernel-unknown"
    DIFFERENT_KERNELS = "different-kernels"
    ONE_BOOT = "one-boot"
    NOT_ONE_BOOT = "not-one-boot"
    REVERSED = "reversed"
    SWAP_LEFT_OUT = "swap-left-out"
    MEMORY_LEFT_OUT = "memory-left-out"
    STACKS_MATCHED = "stacks-matched"
    CHANGES = "changes"
    NO_DIFFERENCE = "no-difference"
    SAMPLES = "samples"
    FILE_TIMES = "file-times"
    STACKS_NOT_COUNTED = "stacks-not-counted"
    SAMPLES_MISSING = "samples-missing"
    VERDICT = "verdict"
    BLOCKED = "blocked"
    NO_BLOCKERS = "no-blockers"
    NOT_PLACED = "not-placed"
    SITES_INEXACT = "sites-inexact"
    USUAL_KEY = "usual-key"
    FLEET_SNAPSHOTS = "fleet-snapshots"
    FLEET_SKIPPED = "fleet-skipped"
    SHARED_NAME = "shared-name"
    HOSTS_DIFFER = "hosts-differ"


class Note(NamedTuple):
    """Hold one sentence and its code; `warning` marks notes that must not be overlooked."""

    code: NoteCode
    text: str
    warning: bool = False
