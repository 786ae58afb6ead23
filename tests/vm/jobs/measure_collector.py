# SPDX-License-Identifier: LGPL-2.1-or-later
"""In a guest: measure `cat page_owner > /dev/null`, and the collector's methods, in turn, ROUNDS times.

Prints a JSON object for each: `what`, `round`, `seconds`, and for the collector `own_pages` (pages whose tgid is its
own) and `records`. `plan` is the process that finds addresses, `memory` the collector that reads by the plan.
"""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from spo_trace.memory.owners import ROW_FILES
from spo_trace.memory.row_file import RowFile
from spo_trace.memory.rows import PAGE_ROW
from spo_trace.native.collector import PATH
from spo_trace.sources.bare_python import bare_python

# The share is written without the page cache, as on a disk after posix_fadvise(2).
TARGET = Path(os.environ["OUT"], "collected")
PAGE_OWNER = "/sys/kernel/debug/page_owner"
PLAN = "/run/plan"
PLANNER = [*bare_python("spo_trace.memory.planner"), "3", PAGE_OWNER]
COMMANDS = {
    "cat": ["sh", "-c", f"cat {PAGE_OWNER} > /dev/null"],
    "collector": [str(PATH), str(TARGET)],
    "plan": ["sh", "-c", f'exec "$@" 3> {PLAN} > /dev/null', "sh", *PLANNER],
    "memory": [str(PATH), "-m", PLAN, str(TARGET)],
}
RECORD = re.compile(rb"^Page allocated via order (\d+), .* tgid (\d+) ", re.MULTILINE)


def main(rounds: int) -> None:
    """Measure; the first round includes reading the programs from the disk."""
    for number in range(rounds):
        for what, command in COMMANDS.items():
            print(json.dumps({"what": what, "round": number, **measure(what, command)}), flush=True)


def measure(what: str, command: list[str]) -> dict[str, Any]:
    """Run a command once."""
    started = monotonic()
    process = subprocess.Popen(command)
    assert process.wait() == 0
    found: dict[str, Any] = {"seconds": round(monotonic() - started, 4)}
    if what in ("collector", "memory"):
        file, orders, tgids = owners_of(what)
        own = sum(1 << order for order, tgid in zip(orders, tgids, strict=True) if tgid == process.pid)
        found |= {"records": len(orders), "own_pages": own, "bytes": file.stat().st_size}
        shutil.rmtree(TARGET)
    return found


def owners_of(what: str) -> tuple[Path, list[int], list[int]]:
    """Return the file of a capture, and the order and the tgid of each record."""
    if what == "collector":
        file = TARGET / "page_owner.gz"
        records = RECORD.findall(gzip.decompress(file.read_bytes()))
        return file, [int(order) for order, _ in records], [int(tgid) for _, tgid in records]
    file = TARGET / ROW_FILES["page_owner"]
    rows = np.concatenate(list(RowFile(file, PAGE_ROW).rows()))
    return file, rows["order"].tolist(), rows["tgid"].tolist()


if __name__ == "__main__":
    main(int(sys.argv[1]))
