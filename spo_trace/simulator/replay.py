# SPDX-License-Identifier: LGPL-2.1-or-later
"""Replay of a scenario: one function for each kind of step, and a stage at each snapshot."""

from collections.abc import Callable, Iterator
from typing import Any

from spo_trace.errors import SpoTraceError
from spo_trace.simulator import faults, reclaim
from spo_trace.simulator.files import Read, Stage, stage_files
from spo_trace.simulator.machine import NSEC, ROOT_MEMCG, Machine
from spo_trace.simulator.objects import Memcg, Page, Process, Region
from spo_trace.simulator.processes import process_list
from spo_trace.simulator.scenario import Scenario
from spo_trace.simulator.steps import (
    Allocate,
    Exit,
    Fork,
    Free,
    Migrate,
    PageOut,
    RemoveMemcg,
    Rename,
    Snapshot,
    Spawn,
    Touch,
    Wait,
)
from spo_trace.simulator.table import ALL

__all__ = ["run"]

# Kinds that exit(2) frees; tmpfs files, page cache and slab outlive the process.
_FREED_AT_EXIT = frozenset({"anon", "pagetable", "kstack"})


def run(scenario: Scenario) -> Iterator[Stage]:
    """Yield a Stage at each snapshot of the scenario, in order.

    The files of a stage are printed from the running machine: read them before requesting the next stage. Raise
    SpoTraceError with the number of the step if the machine runs out of memory.
    """
    replay = _Replay(scenario)
    for index, step in enumerate(scenario.steps, 1):
        if isinstance(step, Snapshot):
            yield Stage(step.name, replay.files())
            continue
        try:
            _ACTIONS[type(step)](replay, step)
        except SpoTraceError as error:
            raise SpoTraceError(f"step {index}: {error.message}", hint=error.hint) from error


class _Replay:
    """The machine, and its processes, regions and memcgs by the names that steps use."""

    def __init__(self, scenario: Scenario) -> None:
        self.machine = Machine(scenario)
        self.processes: dict[str, Process] = {}
        self.regions: dict[str, Region] = {}
        self.memcgs: dict[str, Memcg] = {"/": ROOT_MEMCG}

    def files(self) -> dict[str, Read]:
        """Return the files of a capture by path."""
        files = stage_files(self.machine)
        if self.machine.scenario.process_list:
            files["processes"] = lambda: process_list(self.processes.values(), self.regions.values())
        return files

    def spawn(self, step: Spawn) -> None:
        memcg = self.memcgs.setdefault(step.memcg, Memcg(step.memcg.encode()))
        self._start(step.process, step.pid, step.tgid or step.pid, step.comm or step.process.encode(), memcg)

    def fork(self, step: Fork) -> None:
        parent = self.processes[step.parent]
        self._start(step.process, step.pid, step.pid, parent.comm, parent.memcg)

    def rename(self, step: Rename) -> None:
        self.processes[step.process].comm = step.comm

    def exit(self, step: Exit) -> None:
        process = self.processes.pop(step.process)
        for region in self.regions.values():
            if region.process is process and region.site.kind in _FREED_AT_EXIT:
                self.machine.shrink_region(region, region.size)

    def allocate(self, step: Allocate) -> None:
        process = self.processes[step.process]
        region = self.regions.get(step.region_name)
        if region is None or region.size == 0:
            site = self.machine.scenario.sites[step.site]
            region = self.regions[step.region_name] = Region(step.region_name, site, process, step.swappable)
        self.machine.add_to_region(region, process, step.size, active=step.active)

    def touch(self, step: Touch) -> None:
        process, region = self.processes[step.process], self.regions[step.region]
        faults.touch(self.machine, process, region, _size(region, step.size), write=step.write)

    def free(self, step: Free) -> None:
        region = self.regions[step.region]
        self.machine.shrink_region(region, _size(region, step.size))

    def page_out(self, step: PageOut) -> None:
        for page in self._pages(step.region, step.size):
            if page.lru is not None and page.lru is not self.machine.lru.unevictable:
                reclaim.reclaim_page(self.machine, page)

    def migrate(self, step: Migrate) -> None:
        for page in self._pages(step.region, step.size):
            self.machine.migrate(page, step.reason)

    def remove_memcg(self, step: RemoveMemcg) -> None:
        memcg = self.memcgs.pop(step.memcg)
        if self.machine.scenario.machine.reparent_charges:
            memcg.name = ROOT_MEMCG.name
        else:
            memcg.offline = True

    def wait(self, step: Wait) -> None:
        self.machine.clock_nsec += step.seconds * NSEC

    def _start(self, name: str, pid: int, tgid: int, comm: bytes, memcg: Memcg) -> None:
        cpu = pid % len(self.machine.pcps)
        self.processes[name] = Process(pid, tgid, comm, memcg, cpu, self.machine.clock_nsec)

    def _pages(self, name: str, size: int) -> list[Page]:
        region = self.regions[name]
        slots = (region.slots.get(index) for index in range(min(_size(region, size), region.size)))
        return [slot for slot in slots if isinstance(slot, Page)]


def _size(region: Region, size: int) -> int:
    return region.size if size == ALL else size


_ACTIONS: dict[type, Callable[[_Replay, Any], None]] = {
    Spawn: _Replay.spawn,
    Fork: _Replay.fork,
    Rename: _Replay.rename,
    Exit: _Replay.exit,
    Allocate: _Replay.allocate,
    Touch: _Replay.touch,
    Free: _Replay.free,
    PageOut: _Replay.page_out,
    Migrate: _Replay.migrate,
    RemoveMemcg: _Replay.remove_memcg,
    Wait: _Replay.wait,
}
