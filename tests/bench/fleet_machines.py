# SPDX-License-Identifier: LGPL-2.1-or-later
"""Snapshots of a made-up fleet at two times, with other kernels, and what each owner has, computed apart with numpy.

Between the times, one owner of pages grows on all hosts (the regression), and one shrinks (the improvement). Five hosts
have far more of a third one than the others have.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from spo_trace import schema
from spo_trace.formats.stack_table import hash_texts
from spo_trace.snapshots.directory import snapshot_directory
from spo_trace.snapshots.meta import FileCounts, MachineFacts, Meta, Origin, SwapOwner
from spo_trace.snapshots.page_size import PageSizeFrom
from spo_trace.snapshots.reader import Snapshot
from spo_trace.snapshots.writer import SnapshotWriter
from spo_trace.stacks.frames import function_name
from spo_trace.stacks.meaning import meaning

__all__ = ["DAYS", "KERNELS", "PAGE_SIZE", "Machines"]

PAGE_SIZE = 4096
KERNELS = ("6.12.9", "7.2.1")
DAYS = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
ROLES = ("web", "db")

# Numbers of the stacks with a story.
_REGRESSION, _IMPROVEMENT, _LEAK = 3, 4, 5

_COMMS, _MEMCGS, _MIGRATETYPES = 40, 20, ("Movable", "Unmovable")


@dataclass(frozen=True)
class Machines:
    """Make snapshots of `hosts` machines with about `rows` pages each, in `stacks` stacks; the same for a `seed`.

    `pages`: base pages in memory by host, day and stack. `swapped`: swap entries in the same way.
    """

    hosts: int
    rows: int
    stacks: int = 300
    seed: int = 1

    def __post_init__(self) -> None:
        random = np.random.default_rng(self.seed)
        role = np.arange(self.hosts) % len(ROLES)
        usual = random.gamma(0.7, size=(len(ROLES), self.stacks))
        usual *= self.rows / usual.sum(axis=1, keepdims=True)
        usual[:, [_REGRESSION, _IMPROVEMENT, _LEAK]] = self.rows / 40
        noise = random.normal(1, 0.02, size=(self.hosts, len(DAYS), self.stacks))
        pages = np.maximum(np.rint(usual[role][:, None, :] * noise), 0).astype(np.int64)
        pages[:, 1, _REGRESSION] = pages[:, 0, _REGRESSION] * 2
        pages[:, 1, _IMPROVEMENT] = pages[:, 0, _IMPROVEMENT] // 2
        leaking = random.choice(self.hosts, 5, replace=False)
        pages[leaking, :, _LEAK] *= np.arange(6, 11)[:, None]
        object.__setattr__(self, "pages", pages)
        object.__setattr__(self, "swapped", pages // 10)
        object.__setattr__(self, "leaking", leaking[::-1])

    pages: "npt.NDArray[np.int64]" = None  # type: ignore[assignment]
    swapped: "npt.NDArray[np.int64]" = None  # type: ignore[assignment]
    leaking: "npt.NDArray[np.int64]" = None  # type: ignore[assignment]

    @property
    def callers(self) -> list[str]:
        """Return the caller of each stack."""
        return [f"work_{number}" for number in range(self.stacks)]

    @property
    def regression(self) -> str:
        """Return the caller that grows."""
        return self.callers[_REGRESSION]

    @property
    def improvement(self) -> str:
        """Return the caller that shrinks."""
        return self.callers[_IMPROVEMENT]

    @property
    def leak(self) -> str:
        """Return the caller of which five hosts have too much."""
        return self.callers[_LEAK]

    def name(self, host: int) -> str:
        """Return the name of a host."""
        return f"host{host:05}"

    def role(self, host: int) -> str:
        """Return the label `role` of a host."""
        return ROLES[host % len(ROLES)]

    def each(self, directory: Path) -> Iterator[tuple[int, int, Path]]:
        """Write the snapshots; yield host, day and path of each."""
        for host in range(self.hosts):
            for day in range(len(DAYS)):
                path = directory / f"{self.name(host)}-{day}.spo"
                self._write(path, host, day)
                yield host, day, path

    def snapshot(self, directory: Path, host: int, day: int) -> Snapshot:
        """Write and open one snapshot."""
        path = directory / f"{self.name(host)}-{day}.spo"
        self._write(path, host, day)
        return Snapshot(path)

    @property
    def truth(self) -> dict[str, Any]:
        """Return what the answers have to be: bytes by caller, and which owners and hosts come first."""
        before, after = ((self.pages + self.swapped)[:, day].sum(axis=0) * PAGE_SIZE for day in range(len(DAYS)))
        return {
            "callers": dict(zip(self.callers, after.tolist(), strict=True)),
            "before": dict(zip(self.callers, before.tolist(), strict=True)),
            "regression": self.regression,
            "leaking": sorted(self.name(host) for host in self.leaking),
        }

    def frames(self, day: int) -> list[list[str]]:
        """Return the frames of each stack: the offsets differ from kernel to kernel, the names do not."""
        return [
            [f"prep_new_page+0x1{day}/0x20", f"{caller}+0x1{day}/0x99", "worker_thread+0x1/0x2"]
            for caller in self.callers
        ]

    def hashes(self, day: int) -> list[str]:
        """Return the hash of each stack."""
        return [hash_texts(one) for one in self.frames(day)]

    def comm(self, host: int, stack: int) -> str:
        """Return the command of a stack, which depends on the host."""
        return f"comm{(stack + host) % _COMMS}"

    def memcg(self, stack: int) -> str:
        """Return the memory cgroup of a stack."""
        return f"slice{stack % _MEMCGS}"

    def migratetype(self, stack: int) -> str:
        """Return the migratetype of a stack."""
        return _MIGRATETYPES[stack % len(_MIGRATETYPES)]

    def meta(self, host: int, day: int) -> Meta:
        """Return the metadata of one snapshot."""
        machine = MachineFacts(
            PAGE_SIZE,
            PageSizeFrom.PAGESIZE,
            host=self.name(host),
            kernel_release=KERNELS[day],
            kernel_version=f"#1 {KERNELS[day]}",
            arch="x86_64",
            boot_id=f"{host:08}-0000-0000-0000-{day:012}",
            taken_at=DAYS[day],
            uptime_start=3600.0,
        )
        records = (int(one[host, day].sum()) for one in (self.pages, self.swapped))
        files = dict(zip(("page_owner", "swap_page_owner"), map(FileCounts, records), strict=True))
        return Meta(schema.SCHEMA_VERSION, machine, swap_owner=SwapOwner(Origin.DEBUGFS), files=files)

    def _write(self, path: Path, host: int, day: int) -> None:
        pages, swap = (np.repeat(np.arange(self.stacks), one[host, day]) for one in (self.pages, self.swapped))
        with SnapshotWriter(snapshot_directory(path)) as writer:
            writer.write("pages", self._rows("pages", pages, host))
            writer.write("swap", self._rows("swap", swap, host))
            writer.write("stacks", self._stack_rows(day))
            writer.commit(self.meta(host, day))

    # Owners are equal in both tables: the comm depends on the stack and the host, the cgroup on the stack.
    def _rows(self, table: str, stacks: "npt.NDArray[np.int64]", host: int) -> pa.RecordBatch:
        number = len(stacks)
        place = np.arange(number)
        values = {
            "pfn": pa.array(place + 4096, pa.int64()),
            "order": pa.array(np.zeros(number, np.uint8)),
            "comm": _named([self.comm(host, one) for one in range(_COMMS)], stacks % _COMMS),
            "pid": pa.array((place % 4000).astype(np.int32)),
            "ts_nsec": pa.array(place * 1000, pa.int64()),
            "migratetype": _named(list(_MIGRATETYPES), stacks % len(_MIGRATETYPES)),
            "page_flag_names": _named(["uptodate|lru", "slab"], stacks % 2),
            "node": pa.array(np.zeros(number, np.int16)),
            "zone": pa.array((place % 2).astype(np.int16)),
            "memcg": _named([self.memcg(one) for one in range(_MEMCGS)], stacks % _MEMCGS),
            "stack_id": pa.array(stacks, pa.uint32()),
            "slab": pa.array(stacks % 2 == 1),
            "swapped": pa.array(np.zeros(number, np.bool_)),
            "swp_entry": pa.array(place + 1, pa.uint64()),
            "swap_type": pa.array(np.zeros(number, np.uint8)),
            "swap_offset": pa.array(place + 1, pa.int64()),
            "origin": _named(["debugfs"], np.zeros(number, np.int64)),
        }
        columns = schema.ALL_TABLES[table]
        arrays = [
            values[field.name].cast(field.type)
            if field.name in values and not (table == "swap" and field.name == "pfn")
            else pa.nulls(number, field.type)
            for field in columns
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=columns)

    def _stack_rows(self, day: int) -> pa.RecordBatch:
        frames = self.frames(day)
        means = [meaning(one) for one in frames]
        return pa.RecordBatch.from_pydict(
            {
                "stack_id": range(self.stacks),
                "stack_hash": self.hashes(day),
                "symbol_hash": [hash_texts(map(function_name, one)) for one in frames],
                "frames": frames,
                "handle": [None] * self.stacks,
                "nr_base_pages": [None] * self.stacks,
                "category": [one.category for one in means],
                "caller": [one.caller for one in means],
                "module": [one.module for one in means],
            },
            schema=schema.STACKS,
        )


def _named(names: list[str], numbers: "npt.NDArray[np.int64]") -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int32()), pa.array(names, pa.string()))
