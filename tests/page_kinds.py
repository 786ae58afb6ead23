# SPDX-License-Identifier: LGPL-2.1-or-later
"""Comparison of the category of each page with its flags in /proc/kpageflags, and of categories with /proc/meminfo.

The stage of a capture has the files kpageflags-before and kpageflags-after, read before and after page_owner. Pages
that were allocated after uptime-before (if the stage has it), and pages whose kind changed between the readings, are
not compared, only counted.
"""

import math
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

import spo_trace as spo
from spo_trace.snapshots.reader import Snapshot
from spo_trace.stacks.frames import function_name
from spo_trace.stacks.rules import CATEGORIES
from tests.oracle.captures import read
from tests.oracle.kpageflags import kinds_of

__all__ = ["EXPECTED", "KNOWN", "Known", "Line", "allocators_as_callers", "compare", "in_flux", "lines"]

# The kinds that the pages of a category may have; {"kernel"} if it is not listed.
EXPECTED = {
    "anon": {"anon", "ksm", "zero page"},
    "tmpfs/shmem": {"shmem"},
    "page cache": {"file"},
    "slab": {"slab"},
    "page table": {"page table"},
    "other": {"kernel", "hugetlb"},
}
RIGHT, WRONG = "right", "wrong"


class Known(NamedTuple):
    """A difference with a known reason: pages of these categories and kinds, with one of the functions in their stacks.

    `most` is the limit of its pages.
    """

    categories: str
    kind: str
    functions: str
    reason: str
    most: int


KNOWN = {
    "stack unknown": Known("early boot", "*", "*", "allocated before page_owner started", 4096),
    "owner lost": Known("other", "*", "register_dummy_stack", "allocated while page_owner could not take a stack", 64),
    "large kmalloc": Known(
        "slab", "kernel", "*kmalloc_large* kmalloc_order*",
        "larger than the largest slab cache; meminfo counts it in Slab, but kpageflags does not mark it", 2048,
    ),
    "unmarked page table": Known(
        "page table", "kernel", "*pud_alloc* *p4d_alloc* *pgd_alloc* *pte_alloc_kernel* spp_getpage phys_*_init",
        "upper levels and tables of the kernel, which older kernels do not mark", 512,
    ),
    "freed meanwhile": Known(
        "anon|page table|slab", "kernel", "*",
        "allocated and freed between the two readings of the flags, mostly by the process that read page_owner;"
        " free pages on per-CPU lists have no flag", 128,
    ),
}  # fmt: skip


def compare(stage: Path, snap: Snapshot) -> pd.DataFrame:
    """Return base pages by category, caller, kind and verdict: right, wrong, or the name of a known difference."""
    pages = _base_pages(stage, snap)
    pages = pages[~_changed(pages)]
    table = pages.groupby(["stack_id", "kind"]).size().rename("pages").reset_index()
    table = table.merge(snap.stacks[["stack_id", "category", "caller", "frames"]], on="stack_id")
    rows = zip(table["category"].astype(str), table["kind"], table["frames"], strict=True)
    table["verdict"] = [_verdict(category, kind, [function_name(f) for f in frames]) for category, kind, frames in rows]
    keys = ["category", "caller", "kind", "verdict"]
    return table.astype({"category": str, "caller": str}).groupby(keys)["pages"].sum().reset_index()


def in_flux(stage: Path, snap: Snapshot) -> int:
    """Return how many base pages were allocated, or changed their kind, while page_owner was read."""
    return int(_changed(_base_pages(stage, snap)).sum())


def _changed(pages: pd.DataFrame) -> "pd.Series[bool]":
    return pages["is_new"] | (pages["kind"] != pages["kind_after"])


def _base_pages(stage: Path, snap: Snapshot) -> pd.DataFrame:
    table = snap.pages
    sizes = (2 ** table["order"].astype("int64")).to_numpy(np.int64)
    heads = np.repeat(table["pfn"].to_numpy(np.int64), sizes)
    pfns = heads + np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    kinds = {
        column: kinds_of(read(stage, file), pfns, heads)
        for column, file in (("kind", "kpageflags-before"), ("kind_after", "kpageflags-after"))
    }
    columns = {
        "stack_id": table["stack_id"].to_numpy(),
        "is_new": (table["ts_nsec"] > _began_nsec(stage)).to_numpy(bool, na_value=False),
    }
    return pd.DataFrame({name: np.repeat(column, sizes) for name, column in columns.items()} | kinds)


# ts_nsec and /proc/uptime differ by less than a second.
def _began_nsec(stage: Path) -> float:
    uptime = read(stage, "uptime-before")
    return float(uptime.split()[0]) * 1e9 if uptime else math.inf


def _verdict(category: str, kind: str, functions: list[str]) -> str:
    for name, known in KNOWN.items():
        if (
            category in known.categories.split("|")
            and fnmatchcase(kind, known.kind)
            and _has(functions, known.functions)
        ):
            return name
    return RIGHT if kind in EXPECTED.get(category, {"kernel"}) else WRONG


def _has(functions: list[str], globs: str) -> bool:
    return any(fnmatchcase(function.removesuffix("_noprof"), glob) for glob in globs.split() for function in functions)


# Names of page allocators, NUMA policies and slab's sheaves, whatever the release.
_ALLOCATOR = re.compile(r"_*(alloc_(frozen_)?pages?|folio_alloc|vma_alloc|pcs)(_|$)|.*sheaf|get_(free|zeroed)_page")


def allocators_as_callers(snap: Snapshot) -> list[str]:
    """Return the callers that are functions of allocators."""
    return sorted(caller for caller in set(snap.stacks["caller"]) if _ALLOCATOR.match(caller))


class Line(NamedTuple):
    """A sum of /proc/meminfo, what is listed for it, and the largest difference allowed, in base pages."""

    meminfo: int
    listed: int
    allowed: int

    @property
    def agrees(self) -> bool:
        """Return whether the difference is within what is allowed."""
        return abs(self.meminfo - self.listed) <= self.allowed


# Pages that other processes, mostly those that take the capture, may allocate or free between two readings.
_FEW = 96
# Memory of early boot, which has no flag of its own. On 6.1, page_owner starts after the first threads.
_EARLY = {"KernelStack": 64, "VmallocUsed": 512}


def lines(stage: Path, snap: Snapshot, table: pd.DataFrame) -> dict[str, Line]:
    """Compare the sums of categories with those of /proc/meminfo before and after; early boot counts by its flags."""
    unknown = table[table["verdict"].isin(["stack unknown", "owner lost"])].groupby("kind")["pages"].sum()
    pages = (
        spo.attribute(snap, by=["category"]).set_index("category")["mem_pages"].reindex(list(CATEGORIES), fill_value=0)
    )
    unmarked = table.loc[table["verdict"] == "unmarked page table", "pages"].sum()
    listed = {
        "Slab": pages["slab"] + unknown.get("slab", 0),
        "PageTables": pages["page table"] - unmarked + unknown.get("page table", 0),
        "AnonPages": pages["anon"],
        "Shmem": pages["tmpfs/shmem"],
        "Cached + Buffers - Shmem": pages["page cache"],
        "KernelStack": pages["kernel stack"],
        "VmallocUsed": _vmalloc(snap),
    }
    before, after = (_meminfo(stage, name, snap.page_size) for name in ("meminfo", "meminfo-after"))
    return {
        name: Line(before[name], int(count), _FEW + abs(after[name] - before[name]) + _EARLY.get(name, 0))
        for name, count in listed.items()
    }


# Base pages by the name of their line.
def _meminfo(stage: Path, name: str, page_size: int) -> Mapping[str, int]:
    rows = (line.split() for line in read(stage, name).decode().splitlines())
    found = {words[0].rstrip(":"): int(words[1]) * 1024 // page_size for words in rows}
    return {**found, "Cached + Buffers - Shmem": found["Cached"] + found["Buffers"] - found["Shmem"]}


# Base pages that __vmalloc_node_range() allocated for any category. Its page tables and arrays of pages do not count.
def _vmalloc(snap: Snapshot) -> int:
    stacks = snap.stacks
    allocators = "__vmalloc_node_range __vmalloc_area_node"
    own = stacks["frames"].map(lambda frames: _has([function_name(frame) for frame in frames], allocators))
    ids = stacks["stack_id"][own.astype(bool) & ~stacks["category"].isin(["slab", "page table"])]
    table = snap.pages
    return int((2 ** table["order"].astype("int64"))[table["stack_id"].isin(ids)].sum())
