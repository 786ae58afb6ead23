# SPDX-License-Identifier: LGPL-2.1-or-later
"""Scenarios: a TOML file with a machine, its swap devices and a list of steps."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spo_trace.errors import SpoTraceError
from spo_trace.simulator.old_formats import PAGE_OWNER_RECORDS
from spo_trace.simulator.sites import Site, builtin_sites, site_problem, to_site
from spo_trace.simulator.steps import STEPS, Step, check_names
from spo_trace.simulator.table import Table, read_table

__all__ = ["MachineSpec", "Scenario", "SwapSpec", "load_scenario"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSpec:
    """The machine: PFNs 0 to `spanned_pages` in one zone, without the `reserved` PFN ranges.

    `early_pages` are allocated before page_owner starts, `unowned_pages` never get an owner; `min_free_kib` sets the
    watermarks. With `reparent_charges`, as in 7.2, the pages of a removed memcg are charged to its parent,
    which is the root for all memcgs of a scenario.
    """

    spanned_pages: int
    reserved: list[tuple[int, int]]
    early_pages: int
    min_free_kib: int
    unowned_pages: int = 0
    cpus: int = 2
    page_cluster: int = 3
    kswapd_pid: int = 50
    boot_seconds: int = 10
    reparent_charges: bool = False
    hostname: str = "simulated"
    release: str = "7.2.13"
    version: str = "#1 SMP PREEMPT"
    boot_id: str = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
    cmdline: str = "root=/dev/vda1 ro page_owner=on"


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapSpec:
    """A swap device; its swap type is its index in the scenario. The first page is the header."""

    name: str
    size: int
    priority: int = -1
    type: str = "partition"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A validated scenario; `format` is the format of page_owner, from A (3.19) to F (6.7 to 7.2).

    `process_list`: captures contain the list of processes.
    """

    name: str
    description: str
    seed: int
    format: str
    swap_owner: bool
    process_list: bool
    machine: MachineSpec
    swaps: list[SwapSpec]
    sites: dict[str, Site]
    steps: list[Step]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    seed: int
    description: str = ""
    format: str = "F"
    swap_owner: bool = False
    process_list: bool = False


def load_scenario(path: Path) -> Scenario:
    """Return the scenario of a TOML file.

    Raise SpoTraceError with the file, the key and the allowed values if it is invalid.
    """
    tables = _load_toml(path)
    parts = {key: _take_part(path, tables, key) for key in _PARTS}
    head = read_table(_Head, Table(path, "", tables))
    _check_head(path, head)
    scenario = Scenario(
        name=path.stem,
        description=head.description,
        seed=head.seed,
        format=head.format,
        swap_owner=head.swap_owner,
        process_list=head.process_list,
        machine=_machine(path, parts["machine"]),
        swaps=[_swap(path, index, table) for index, table in enumerate(parts["swap"], 1)],
        sites=_sites(path, parts["sites"]),
        steps=[_step(path, index, table) for index, table in enumerate(parts["step"], 1)],
    )
    check_names(path, scenario.steps, scenario.sites)
    return scenario


# The TOML syntax of each part.
_PARTS = {"machine": "[machine]", "swap": "[[swap]]", "sites": "[sites.NAME]", "step": "[[step]]"}


def _take_part(path: Path, tables: dict[str, Any], key: str) -> Any:
    syntax = _PARTS[key]
    empty: list[Any] | dict[str, Any] = [] if syntax.startswith("[[") else {}
    part = tables.pop(key, empty)
    is_valid = isinstance(part, type(empty))
    if is_valid and key != "machine":
        is_valid = all(isinstance(table, dict) for table in (part.values() if key == "sites" else part))
    if not is_valid:
        raise SpoTraceError(f"{path}: {key}: not a table", hint=f"write {syntax}")
    return part


def _load_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpoTraceError(f"{path}: {error.strerror}", hint="give a scenario file (.toml)") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpoTraceError(f"{path}: not TOML: {error}", hint="see fixtures/scenarios for examples") from error


def _check_head(path: Path, head: _Head) -> None:
    if head.format not in PAGE_OWNER_RECORDS:
        allowed = ", ".join(PAGE_OWNER_RECORDS)
        raise SpoTraceError(f"{path}: format: {head.format!r} is unknown", hint=f"format is one of {allowed}")
    if head.swap_owner and head.format != "F":
        raise SpoTraceError(f"{path}: swap_owner: format {head.format} has no swap_page_owner", hint='use format = "F"')


def _machine(path: Path, table: dict[str, Any]) -> MachineSpec:
    where = Table(path, "machine", table)
    machine = read_table(MachineSpec, where)
    for key in ("cpus", "spanned_pages", "min_free_kib"):
        if getattr(machine, key) < 1:
            raise where.error(key, "is not positive", f"{key} is an integer of at least 1")
    end = 0
    for low, high in sorted(machine.reserved):
        if not end <= low < high <= machine.spanned_pages:
            hint = f"PFN ranges [start, end] up to spanned_pages = {machine.spanned_pages}"
            raise where.error("reserved", f"[{low}, {high}] overlaps, is empty or ends too high", hint)
        end = high
    return machine


def _swap(path: Path, index: int, table: dict[str, Any]) -> SwapSpec:
    where = Table(path, f"swap {index}", table)
    swap = read_table(SwapSpec, where)
    if swap.type not in ("partition", "file"):
        raise where.error("type", f"{swap.type!r} is unknown", "type is partition or file")
    return swap


def _sites(path: Path, tables: dict[str, Any]) -> dict[str, Site]:
    sites = dict(builtin_sites())
    for name, table in tables.items():
        problem = site_problem(table)
        if problem:
            raise SpoTraceError(f"{path}: sites.{name}: {problem[0]}: invalid or missing", hint=problem[1])
        sites[name] = to_site(name, table)
    return sites


def _step(path: Path, index: int, table: dict[str, Any]) -> Step:
    fields = dict(table)
    do = fields.pop("do", None)
    where = Table(path, f"step {index}", fields)
    kind = STEPS.get(do) if isinstance(do, str) else None
    if kind is None:
        raise where.error("do", f"{do!r} is unknown", f"do is one of {', '.join(STEPS)}")
    return read_table(kind, where)
