# SPDX-License-Identifier: LGPL-2.1-or-later
"""Allocation sites: the pages that a piece of kernel code allocates, and the stack that page_owner records."""

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from spo_trace.simulator.printer import PAGE_FLAGS, flag_bits

__all__ = [
    "CHARGES",
    "KINDS",
    "MIGRATETYPES",
    "SITE_KEYS",
    "Site",
    "builtin_sites",
    "site_problem",
    "to_site",
]

KINDS = ("anon", "shmem", "file", "slab", "kstack", "pagetable", "percpu", "kernel")
CHARGES = ("none", "page", "objcg", "objexts")
MIGRATETYPES = ("Unmovable", "Movable", "Reclaimable")
SITE_KEYS = {
    "kind": str,
    "order": int,
    "gfp": str,
    "migratetype": str,
    "flags": list,
    "charge": str,
    "frames": str,
}
MAX_ORDER = 10

_GFP = re.compile(r"0x[0-9a-f]+\([A-Za-z_|0-9]*\)")


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """One allocation site; `kind` is the use of its pages, `flags` are their page flags after allocation."""

    name: str
    kind: str
    order: int
    gfp: bytes
    migratetype: str
    flags: int
    charge: str
    frames: tuple[str, ...]


@lru_cache(maxsize=1)
def builtin_sites() -> dict[str, Site]:
    """Return the sites of sites.toml by name."""
    tables = tomllib.loads(Path(__file__).with_name("sites.toml").read_text(encoding="utf-8"))
    return {name: to_site(name, table) for name, table in tables.items()}


def to_site(name: str, table: dict[str, object]) -> Site:
    """Return the Site for a TOML table without a `site_problem`."""
    fields = {key: table[key] for key in ("kind", "order", "migratetype", "charge")}
    gfp = str(table["gfp"]).encode()
    frames = tuple(str(table["frames"]).split("\n")[:-1])
    flags = flag_bits(tuple(_strings(table["flags"])))
    return Site(name=name, gfp=gfp, flags=flags, frames=frames, **fields)  # type: ignore[arg-type]


def site_problem(table: dict[str, object]) -> tuple[str, str] | None:
    """Return the first invalid key of `table` and what is allowed, or None."""
    for key, kind in SITE_KEYS.items():
        if type(table.get(key)) is not kind:
            return key, f"every site has a {key}, a {kind.__name__}"
    allowed = {"kind": KINDS, "charge": CHARGES, "migratetype": MIGRATETYPES, "order": range(MAX_ORDER + 1)}
    for key, values in allowed.items():
        if table[key] not in values:
            return key, f"{key} is one of {', '.join(map(str, values))}"
    if not _GFP.fullmatch(str(table["gfp"])):
        return "gfp", "gfp is as page_owner prints it: 0xcc0(GFP_KERNEL)"
    if not set(_strings(table["flags"])) <= PAGE_FLAGS.keys():
        return "flags", f"flags are of {', '.join(PAGE_FLAGS)}"
    unknown = table.keys() - SITE_KEYS.keys()
    return (min(unknown), f"a site has {', '.join(SITE_KEYS)}") if unknown else None


def _strings(values: object) -> list[str]:
    return [str(value) for value in values] if isinstance(values, list) else []
