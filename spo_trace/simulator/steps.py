# SPDX-License-Identifier: LGPL-2.1-or-later
"""Steps of a scenario, one dataclass each; its fields are the keys in TOML."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from spo_trace.errors import SpoTraceError
from spo_trace.limits import MAX_STAGE_NAME_BYTES
from spo_trace.simulator.table import ALL

__all__ = [
    "STEPS",
    "Allocate",
    "Exit",
    "Fork",
    "Free",
    "Migrate",
    "PageOut",
    "RemoveMemcg",
    "Rename",
    "Snapshot",
    "Spawn",
    "Step",
    "Touch",
    "Wait",
    "check_names",
]  # fmt: skip

COMM_MAX = 15
REASONS = (
    "compaction", "memory_failure", "memory_hotplug", "syscall_or_cpuset", "mempolicy_mbind",
    "numa_misplaced", "contig_range", "longterm_pin", "demotion", "damon",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Spawn:
    """Start a process; by default, `comm` is `process`, `tgid` is `pid`, and `memcg` is the root."""

    process: str
    pid: int
    tgid: int = 0
    comm: bytes = b""
    memcg: str = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """Start `process` as a child of `parent`, with its comm and memcg."""

    parent: str
    process: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename:
    """Change the process's comm (prctl PR_SET_NAME); earlier pages keep the old one."""

    process: str
    comm: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """End the process and free its anon, page table and kernel stack pages and their swap entries."""

    process: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocate:
    """Let `process` allocate `size` and append it to `region`, which is created if it does not exist.

    `site` and `swappable` apply only if the region is new or empty. `swappable = false` means tmpfs with noswap;
    `active` adds the pages to the active list.
    """

    process: str
    site: str
    size: int
    region: str = ""
    swappable: bool = True
    active: bool = False

    @property
    def region_name(self) -> str:
        """Return `region`, or `process:site`."""
        return self.region or f"{self.process}:{self.site}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """Let `process` access the region's first `size`: pages are swapped in, dropped page cache is read again."""

    process: str
    region: str
    size: int = ALL
    write: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Free:
    """Free the region's last `size` in memory and in swap; by default the whole region (rm, munmap, kfree)."""

    region: str
    size: int = ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOut:
    """Reclaim the region's first `size` now (madvise MADV_PAGEOUT)."""

    region: str
    size: int = ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrate:
    """Move the pages of the region's first `size` and their owners to other frames."""

    region: str
    size: int = ALL
    reason: str = "compaction"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveMemcg:
    """Remove the memcg's directory; its pages stay charged to it, or with `reparent_charges` to the root."""

    memcg: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Advance the clock."""

    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Yield a stage with the current contents of the kernel's files."""

    name: str


Step = (
    Spawn | Fork | Rename | Exit | Allocate | Touch | Free | PageOut | Migrate | RemoveMemcg | Wait | Snapshot
)  # fmt: skip

STEPS: dict[str, type[Step]] = {
    "spawn": Spawn,
    "fork": Fork,
    "rename": Rename,
    "exit": Exit,
    "allocate": Allocate,
    "touch": Touch,
    "free": Free,
    "pageout": PageOut,
    "migrate": Migrate,
    "remove_memcg": RemoveMemcg,
    "wait": Wait,
    "snapshot": Snapshot,
}


def check_names(path: Path, steps: Iterable[Step], sites: Mapping[str, object]) -> None:
    """Raise SpoTraceError for the first step with a name that is unknown or taken at that point, or an invalid comm.

    Also raise it if no step is a snapshot.
    """
    processes: dict[str, None] = {}
    regions: dict[str, None] = {}
    snapshots: dict[str, None] = {}
    memcgs: dict[str, None] = {}
    for index, step in enumerate(steps, 1):
        where = f"{path}: step {index}"
        match step:
            case Spawn() | Fork():
                if isinstance(step, Fork):
                    _expect(where, "parent", step.parent, processes)
                else:
                    memcgs[step.memcg] = None
                _expect_new(where, "process", step.process, processes)
            case Exit():
                _expect(where, "process", step.process, processes)
                del processes[step.process]
            case Allocate():
                _expect(where, "site", step.site, sites)
                regions[step.region_name] = None
            case Migrate():
                _expect(where, "reason", step.reason, dict.fromkeys(REASONS))
            case RemoveMemcg():
                _expect(where, "memcg", step.memcg, memcgs)
            case Snapshot():
                _expect_new(where, "name", step.name, snapshots)
                _check_stage(where, step.name)
        if isinstance(step, Rename | Allocate | Touch):
            _expect(where, "process", step.process, processes)
        if isinstance(step, Touch | Free | PageOut | Migrate):
            _expect(where, "region", step.region, regions)
        if isinstance(step, Spawn | Rename):
            _check_comm(where, step.comm)
    if not snapshots:
        raise SpoTraceError(f"{path}: step: there is no snapshot", hint='add a step with do = "snapshot"')


def _expect(where: str, key: str, name: str, known: Mapping[str, object]) -> None:
    if name not in known:
        hint = f"at this step there are: {', '.join(known)}" if known else f"at this step there is no {key}"
        raise SpoTraceError(f"{where}: {key}: {name!r} is unknown", hint=hint)


def _expect_new(where: str, key: str, name: str, known: dict[str, None]) -> None:
    if name in known:
        raise SpoTraceError(f"{where}: {key}: {name!r} exists already", hint=f"each {key} needs its own name")
    known[name] = None


# A stage's name is the name of a directory.
def _check_stage(where: str, name: str) -> None:
    if not name.isprintable() or set(name) & set("/\\") or name.startswith(".") or not name:
        raise SpoTraceError(
            f"{where}: name: {name!r} is not a name for a directory",
            hint="use printable characters without / and \\, and no . at the start",
        )
    if len(name.encode()) > MAX_STAGE_NAME_BYTES:
        raise SpoTraceError(f"{where}: name: it is too long", hint=f"at most {MAX_STAGE_NAME_BYTES} bytes")


def _check_comm(where: str, comm: bytes) -> None:
    if len(comm) > COMM_MAX or b"\0" in comm:
        raise SpoTraceError(f"{where}: comm: {comm!r} is invalid", hint=f"at most {COMM_MAX} bytes, none of them 0")
