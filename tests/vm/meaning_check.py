# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compare the category of each page with its flags on several kernels, and write a document about it.

python -m tests.vm.meaning_check docs/meaning-check.md
"""

import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

import spo_trace as spo
from spo_trace.snapshots.reader import Snapshot
from spo_trace.stacks.rules import CATEGORIES
from tests.page_kinds import EXPECTED, KNOWN, Line, compare, in_flux, lines
from tests.vm import guest, kernels
from tests.vm.qemu import Machine

__all__ = ["GUESTS", "JOB", "Check", "check", "machine"]

JOB = Path(__file__).parent / "jobs" / "kinds.sh"
# Each guest: its name, kernel and number of NUMA nodes.
GUESTS = {
    "6.1-stock-1n": ("6.1-stock", 1),
    "6.1-stock-2n": ("6.1-stock", 2),
    "6.12-stock-1n": ("6.12-stock", 1),
    "6.12-stock-2n": ("6.12-stock", 2),
    "7.2-spo-1n": ("7.2-spo", 1),
    "7.2-spo-2n": ("7.2-spo", 2),
    # Also hugetlb, KSM, CMA, and a memory device.
    "7.2-spo-full-2n": ("7.2-spo-full", 2),
}


def machine(name: str) -> Machine:
    """Return the machine of a guest; raise KernelMissing if there is no such kernel."""
    kernel, nodes = GUESTS[name]
    cmdline = "page_owner=on,swap" if "-spo" in kernel else "page_owner=on"
    if kernel.endswith("-full"):
        return Machine(kernels.find(kernel), f"{cmdline} cma=16M", 640, nodes=nodes, dimm_mib=128)
    return Machine(kernels.find(kernel), cmdline, 492, nodes=nodes)


class Check(NamedTuple):
    """The comparison of a guest: `pages` as returned by compare(), sums, and pages that changed meanwhile."""

    name: str
    snap: Snapshot
    pages: pd.DataFrame
    lines: dict[str, Line]
    in_flux: int

    def sum(self, **where: str) -> int:
        """Return the compared base pages with these values."""
        table = self.pages
        for key, value in where.items():
            table = table[table[key] == value]
        return int(table["pages"].sum())


def check(name: str, out: Path) -> Check:
    """Compare the capture of a guest that ran JOB."""
    stage = out / "captures" / "held"
    snap = spo.snapshot(from_=stage, output=out / "held.spo")
    pages = compare(stage, snap)
    return Check(name, snap, pages, lines(stage, snap, pages), in_flux(stage, snap))


def main(target: Path) -> None:
    """Run all guests and write the document."""
    with tempfile.TemporaryDirectory() as scratch:
        checks = []
        for name in GUESTS:
            print(name, file=sys.stderr)
            out = Path(scratch) / name
            guest.run(machine(name), JOB.read_text(), out, echo=sys.stderr.buffer)
            checks.append(check(name, out))
        target.write_text(render(checks))
    print(f"Wrote {target}", file=sys.stderr)


_INTRODUCTION = """
Written by `make meaning-check` on {date}. In each guest, one process for each kind of memory allocates it under the
default NUMA policy, interleaved between nodes, and under MPOL_PREFERRED_MANY. Then `page_owner` is read, with
`/proc/kpageflags` before and after it. `make vm-test` repeats the comparison. The name of a guest is that of its kernel
and its number of NUMA nodes; the last one also has hugetlb, KSM, CMA, and memory from a memory device (hotplug).
"""
_PAGES = """
The category is derived from the stack, the kind of a page from its flags. The table shows base pages whose kind is
right for their category.
"""
_SUMS = """
Base pages according to `/proc/meminfo`, and those that are listed. For VmallocUsed, these are the pages of all
categories that vmalloc allocated. Pages with an unknown stack count if they have a flag, as those of slab and page
tables do. `/proc/meminfo` is read before `page_owner`, so it does not include the process that reads `page_owner`.
On 6.1, page_owner starts after the first threads, whose stacks are therefore unknown.
"""


def render(checks: Sequence[Check]) -> str:
    """Return the document in Markdown."""
    parts = [
        "# Categories, checked page by page",
        _INTRODUCTION.strip().format(date=(checks[0].snap.meta.written_at or "")[:10]),
        "## Pages",
        _PAGES.strip(),
        _categories(checks),
        "The reasons for pages whose kind is not that of their category:",
        "\n".join(f"- **{name}**, at most {known.most:,} pages: {known.reason}." for name, known in KNOWN.items()),
        "## Sums",
        _SUMS.strip(),
        _lines(checks),
    ]
    return "\n\n".join(parts) + "\n"


def _table(head: Iterable[str], rows: Iterable[Sequence[object]]) -> str:
    head = list(head)
    words = [head, ["---", *["---:"] * (len(head) - 1)], *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in words)


def _categories(checks: Sequence[Check]) -> str:
    rows = []
    for category in CATEGORIES:
        if category != "early boot":
            kinds = ", ".join(sorted(EXPECTED.get(category, {"kernel"})))
            right = [f"{one.sum(category=category, verdict='right'):,}" for one in checks]
            rows.append([f"{category} ({kinds})", *right])
    for name in KNOWN:
        rows.append([name, *(f"{one.sum(verdict=name):,}" for one in checks)])
    rows.append(["changed while page_owner was read", *(f"{one.in_flux:,}" for one in checks)])
    rows.append(["**wrong**", *(f"**{one.sum(verdict='wrong'):,}**" for one in checks)])
    return _table(["category (kinds)", *(one.name for one in checks)], rows)


def _lines(checks: Sequence[Check]) -> str:
    rows = [
        [name, *(f"{one.lines[name].meminfo:,} / {one.lines[name].listed:,}" for one in checks)]
        for name in checks[0].lines
    ]
    return _table(["meminfo / listed", *(one.name for one in checks)], rows)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except (guest.GuestError, kernels.KernelMissing) as error:
        sys.exit(f"error: {error}")
