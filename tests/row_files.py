# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rows of owners that the collector reads from the small dump, as it reads them from /proc/kcore."""

import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from spo_trace.memory.kcore import KcoreImage
from spo_trace.memory.owner_layout import find_owners
from spo_trace.memory.plan import plan_text
from spo_trace.memory.stack_depot import find_depot
from spo_trace.memory.swap_layout import find_swap_owners
from tests.collectors import collect
from tests.dumps import Dump, kcore, small_dump, small_kernel

__all__ = ["SWAP_PAGES", "kcore_tree", "plan_of", "read_rows"]

# The swap area of the small dump's machine.
SWAP_PAGES = 65_535


def kcore_tree(directory: Path, dump: Dump | None = None) -> Path:
    """Write a dump's memory below `directory` as /proc/kcore."""
    (directory / "proc").mkdir(parents=True, exist_ok=True)
    (directory / "proc/kcore").write_bytes(kcore(dump or small_dump()))
    return directory


def plan_of(root: Path) -> bytes:
    """Return the plan for the memory of a tree, by the layout of the undamaged kernel."""
    kernel = small_kernel()
    with closing(KcoreImage(root / "proc/kcore")) as image:
        return plan_text(find_owners(kernel), find_depot(kernel), find_swap_owners(kernel), SWAP_PAGES, image.ranges())


def read_rows(command: Sequence[str], root: Path, plan: bytes, target: Path) -> subprocess.CompletedProcess[bytes]:
    """Run the collector by a plan."""
    path = root / "plan"
    path.write_bytes(plan)
    return collect(command, root, target, "-m", str(path))
