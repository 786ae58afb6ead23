# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measure the apparent shift: how much memory of one workload seems to grow and shrink when the kernel release changes.

    python -m tests.bench.releases fixtures/captures-releases/*

The captures are of one workload on several kernels: these were made by tests/vm/jobs/releases.sh. The shift of a pair
is the sum of |pages in B − pages in A| over all keys, relative to the pages of both. Exits with 1 if the sums of a
difference are not those that awk computes from the text.
"""

import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import spo_trace as spo
from spo_trace.api.snapshot import Snapshot
from tests.bench.table import aligned
from tests.oracle import captures
from tests.oracle.stacks import stack_pages

__all__ = ["Shift", "main", "shift"]

# How memory is matched, and the number of functions in a common key. Categories do not depend on the release: what they
# shift is no artefact.
WAYS = [("category", 0), ("exact", 0), ("symbols", 0), ("common", 1), ("common", 2), ("common", 3), ("common", 6)]


class Shift(NamedTuple):
    """Hold the apparent shift between two snapshots (0 to 1), the number of keys, and the pages of both sides."""

    share: float
    keys: int
    pages: tuple[int, int]


def shift(a: Snapshot, b: Snapshot, match: str, functions: int) -> Shift:
    """Return the apparent shift of memory by `category`, or by matched stacks; `functions`: in a common key."""
    with patch("spo_trace.stacks.common_key.KEY_FUNCTIONS", functions):
        table = spo.diff(a, b, by=match) if match == "category" else spo.diff(a, b, by="stack", match=match)
    sides = table["mem_bytes_a"] // a.page_size, table["mem_bytes_b"] // b.page_size
    pages = int(sides[0].sum()), int(sides[1].sum())
    return Shift(float((sides[1] - sides[0]).abs().sum()) / max(sum(pages), 1), len(table), pages)


def main(paths: Sequence[str]) -> int:
    """Print the shift of each pair of captures, and whether all sums are exact."""
    snaps = {path: spo.open(path) for path in paths}
    truth = {path: sum(stack_pages(captures.read(Path(path), "page_owner")).values()) for path in paths}
    rows: list[tuple[str, ...]] = []
    exact = True
    for a, b in combinations(paths, 2):
        for match, functions in WAYS:
            found = shift(snaps[a], snaps[b], match, functions)
            right = found.pages == (truth[a], truth[b])
            exact &= right
            releases = " → ".join(str(snaps[path].meta.machine.kernel_release) for path in (a, b))
            name = f"{match}, {functions}" if functions else match
            rows.append((releases, name, f"{found.share:.1%}", f"{found.keys:,}", "exact" if right else "wrong"))
    print("\n".join(aligned([("kernels", "match", "shift", "keys", "sums"), *rows])))
    return 0 if exact else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
