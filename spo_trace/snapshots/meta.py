# SPDX-License-Identifier: LGPL-2.1-or-later
"""The metadata of a snapshot, as types: what snapshot.json contains. `meta_json` reads and writes the file."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from spo_trace.formats.aggregate_kind import AggregateKind
from spo_trace.formats.missing import Why
from spo_trace.formats.proc import FreeBlocks, SwapArea, Zone
from spo_trace.formats.reasons import Reason, Skipped
from spo_trace.schema import OF_FILE
from spo_trace.snapshots.method import Method
from spo_trace.snapshots.page_size import Evidence, PageSizeFrom

__all__ = [
    "CollectionCost",
    "FileCounts",
    "MachineFacts",
    "Meta",
    "Origin",
    "SourceFacts",
    "SwapOwner",
    "TraceFacts",
    "reason_text",
    "skipped_text",
]


class Origin(StrEnum):
    """Name the source of the owners of swap; the value is in snapshot.json and in the column `origin`."""

    DEBUGFS = "debugfs"
    BPF = "bpf"
    MEMORY = "memory"


@dataclass(slots=True)
class FileCounts:
    """Count what was read of one kernel file.

    `malformed`: records that were lost; `notes`: lines set aside from records that were kept. `reasons` and `marks`:
    how often each code of `formats.reasons` occurred. `not_kept`: rejects that are counted, but beyond the limit of
    rejects.txt. `skipped`: records that could not be read, by code of `Skipped`. `retried`: reads that were repeated
    because the kernel was out of memory. `problem`: why reading stopped early. `note`: a remark on where the text comes
    from. `began`: seconds since the collection began; `seconds`: how long reading took. `oldest_ts_nsec`,
    `newest_ts_nsec`: allocation times, in ns since boot. `back_at_line`: the first line at which the PFN (or swap
    entry) goes back. `repeated`, `overlapping`: records that are left out because a later one has the same PFN, or some
    of the same base pages. `unnumbered`: records without a PFN.
    """

    records: int = 0
    malformed: int = 0
    notes: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    marks: Counter[str] = field(default_factory=Counter)
    first_reject: str | None = None
    not_kept: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    retried: int = 0
    problem: str | None = None
    note: str | None = None
    began: float = 0.0
    seconds: float = 0.0
    oldest_ts_nsec: int | None = None
    newest_ts_nsec: int | None = None
    back_at_line: int | None = None
    repeated: int = 0
    overlapping: int = 0
    unnumbered: int = 0

    def include_times(self, oldest: int, newest: int) -> None:
        """Include the allocation times of more records, in ns since boot."""
        self.oldest_ts_nsec = min(oldest, self.oldest_ts_nsec or oldest)
        self.newest_ts_nsec = max(newest, self.newest_ts_nsec or newest)


def reason_text(code: str) -> str:
    """Return the text of a code in `reasons` or `marks`, the code itself if it is of a newer version."""
    return Reason(code).text if code in set(Reason) else code


def skipped_text(code: str) -> str:
    """Return the text of a code in `skipped`; older snapshots have the text itself."""
    return Skipped(code).text if code in set(Skipped) else code


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """Name the source of a snapshot: its kind (live, capture, dump, simulator) and its arguments.

    `cut_off`: why an archive is known to be incomplete, else None.
    """

    kind: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    cut_off: str | None = None


@dataclass(frozen=True, slots=True)
class TraceFacts:
    """Describe the probes that recorded the owners of swap; amounts in pages.

    `unknown_pages`: in swap since before the attach. `lost_pages`: owners lost because the map was full.
    `slot_cache_pages`: counted as used but empty (up to Linux 6.14). `hooks`: role to function.
    """

    attached_at: str | None = None
    used_at_attach: int = 0
    unknown_pages: int = 0
    lost_pages: int = 0
    slot_cache_pages: int = 0
    hooks: Mapping[str, str] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SwapOwner:
    """Describe the owners of swap: their origin, or why there are none.

    `kept_by_kernel`: the kernel keeps the owners of swap, and counts them in nr_base_pages. `trace`: only for BPF.
    """

    origin: Origin | None = None
    why: Why | None = None
    kept_by_kernel: bool = False
    trace: TraceFacts | None = None

    @property
    def unknown_pages(self) -> int:
        """Return how many pages of swap have an unknown owner because they are older than the probes."""
        return self.trace.unknown_pages if self.trace else 0


@dataclass(frozen=True, slots=True)
class CollectionCost:
    """Hold what taking a live snapshot cost: times in seconds, `max_rss` in bytes, `own_pages` in base pages.

    `skew_seconds`: from the first byte of page_owner to the last byte of the files that are compared with it.
    `own_pages`: pages in the snapshot that the collector allocated itself, None if the kernel prints no tgid.
    """

    seconds: float
    cpu_seconds: float
    skew_seconds: float
    max_rss: int
    own_pages: int | None


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """Describe the machine and its state while page_owner was read; None or empty for what is unknown.

    Sizes are in bytes, times in seconds since boot, `zoneinfo` in pages. `pageblock_order`: log2 of the pages in a
    pageblock. `memory_block_bytes`: the memory that is set offline at a time. `page_size_evidence`: each page size that
    was found, with its evidence. `processes`: PID → start time in clock ticks (1/100 s) since boot.
    """

    page_size: int
    page_size_from: PageSizeFrom
    page_size_evidence: Sequence[Evidence] = ()
    pageblock_order: int | None = None
    memory_block_bytes: int | None = None
    host: str | None = None
    kernel_release: str | None = None
    kernel_version: str | None = None
    arch: str | None = None
    processors: int | None = None
    boot_id: str | None = None
    cmdline: str | None = None
    taken_at: str | None = None
    uptime_start: float | None = None
    uptime_end: float | None = None
    meminfo: Mapping[str, int] = field(default_factory=dict)
    meminfo_after: Mapping[str, int] = field(default_factory=dict)
    zoneinfo: Sequence[Zone] = ()
    swaps: Sequence[SwapArea] = ()
    vmstat: Mapping[str, int] = field(default_factory=dict)
    buddyinfo: Sequence[FreeBlocks] = ()
    processes: Mapping[int, int] = field(default_factory=dict)

    @property
    def swap_used(self) -> int:
        """Return the bytes in use on all swap areas of /proc/swaps."""
        return sum(area["used"] for area in self.swaps)


@dataclass(frozen=True, slots=True)
class Meta:
    """Hold the metadata of a snapshot.

    `files`: the counts of each kernel file that was read. `missing`: why a file of page_owner_stacks was not read.
    `warnings`: those shown to the user during the collection. `page_columns`: the columns of pages.parquet if some were
    left out, else None. `method`: how the owners were read, None in snapshots before version 4. `compared`: number of
    records that debugfs and memory had alike before memory was read, None if they were not compared. `method_why`: why
    not, or why text was read in place of memory. `cost`: None unless the snapshot was taken live. `aggregate`: what was
    read in place of page_owner, else None. `modified_at`: when its file, or that of sites alone, was modified (UTC).
    """

    schema_version: int
    machine: MachineFacts
    tool_version: str | None = None
    written_at: str | None = None
    source: SourceFacts = SourceFacts()
    swap_owner: SwapOwner = SwapOwner()
    files: Mapping[str, FileCounts] = field(default_factory=dict)
    missing: Mapping[str, Why] = field(default_factory=dict)
    method: Method | None = None
    compared: int | None = None
    method_why: str | None = None
    cost: CollectionCost | None = None
    warnings: Sequence[str] = ()
    page_columns: Sequence[str] | None = None
    aggregate: AggregateKind | None = None
    modified_at: str | None = None

    @property
    def page_owner(self) -> FileCounts | None:
        """Return the counts of page_owner, None if it was not read."""
        return self.files.get("page_owner")

    @property
    def counts_sites(self) -> bool:
        """Return whether the snapshot has the table of sites."""
        return self.has_table("sites")

    def has_table(self, name: str) -> bool:
        """Return whether the snapshot has this table of `schema.OF_FILE`."""
        counts = self.files.get(OF_FILE[name])
        return counts is not None and counts.records > 0

    @property
    def unknown_amounts(self) -> tuple[str, ...]:
        """Return the amounts with unknown owners: `mem` without page_owner, `swap` without owners of swap."""
        known = {"mem": self._has_pages, "swap": self.swap_owner.origin is not None}
        return tuple(name for name, is_known in known.items() if not is_known)

    @property
    def has_owners(self) -> bool:
        """Return whether any owners are known; else there is only what the kernel counts by site."""
        return self._has_pages or self.swap_owner.origin is not None

    @property
    def _has_pages(self) -> bool:
        return self.page_owner is not None or self.aggregate is not None
