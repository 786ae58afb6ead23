# SPDX-License-Identifier: LGPL-2.1-or-later
"""In a guest: measure `cat page_owner > /dev/null` and the collector in turn, ROUNDS times.

Prints a JSON object for each: `what`, `round`, `seconds`, and for the collector `own_pages` (pages whose tgid is its
own) and `records`.
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

import spo_trace

# The share is written without the page cache, as on a disk after posix_fadvise(2).
TARGET = Path(os.environ["OUT"], "collected")
PROGRAM = Path(spo_trace.__file__).parent / "native" / "spo-collect"
PAGE_OWNER = "/sys/kernel/debug/page_owner"
COMMANDS = {
    "cat": ["sh", "-c", f"cat {PAGE_OWNER} > /dev/null"],
    "collector": [str(PROGRAM), str(TARGET)],
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
    if what != "cat":
        records = RECORD.findall(gzip.decompress((TARGET / "page_owner.gz").read_bytes()))
        own = sum(1 << int(order) for order, tgid in records if int(tgid) == process.pid)
        found |= {"records": len(records), "own_pages": own, "bytes": (TARGET / "page_owner.gz").stat().st_size}
        shutil.rmtree(TARGET)
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]))
