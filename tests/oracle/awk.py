# SPDX-License-Identifier: LGPL-2.1-or-later
"""Totals by comm, computed by awk from single lines.

Correct only if no comm contains a newline or `), ts N ns`.
"""

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

__all__ = ["CommTotals", "comm_totals", "pages_by_comm", "run"]


class CommTotals(NamedTuple):
    """The output of comm.awk for one comm."""

    pages: int
    records: int
    swapped: int


def run(script: str, text: bytes, **variables: int) -> list[bytes]:
    """Return the lines that a script in this directory prints for a text."""
    given = [word for name, value in variables.items() for word in ("-v", f"{name}={value}")]
    # In the C locale, awk accepts all bytes, including invalid UTF-8
    done = subprocess.run(
        ["awk", *given, "-f", str(Path(__file__).with_name(script))],
        input=text,
        capture_output=True,
        check=True,
        env={**os.environ, "LC_ALL": "C"},
    )
    return done.stdout.split(b"\n")[:-1]  # not splitlines(): a comm may hold \r


def comm_totals(text: bytes) -> dict[bytes, CommTotals]:
    """Return the totals of each comm in page_owner or swap_page_owner text.

    >>> comm_totals(b"Page allocated via order 1, mask 0x0(), pid 7, tgid 7 (dd), ts 5 ns\\nPFN 0x2\\n\\n")
    {b'dd': CommTotals(pages=2, records=1, swapped=0)}
    """
    rows = (line.split(b"\t", 3) for line in run("comm.awk", text))
    return {comm: CommTotals(int(pages), int(records), int(swapped)) for pages, records, swapped, comm in rows}


def pages_by_comm(page_owner: bytes, swap_page_owner: bytes) -> dict[bytes, tuple[int, int]]:
    """Return each comm's base pages in memory and in swap."""
    mem, swap = comm_totals(page_owner), comm_totals(swap_page_owner)
    none = CommTotals(0, 0, 0)
    return {comm: (mem.get(comm, none).pages, swap.get(comm, none).pages) for comm in {*mem, *swap}}
