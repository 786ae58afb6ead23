# SPDX-License-Identifier: LGPL-2.1-or-later
"""In a guest: measure `cat page_owner > /dev/null` and live snapshots in turn, ROUNDS times.

Prints a JSON object for each measurement: `what`, `round`, `seconds` (of the whole process), and for snapshots
`collected` (snapshot.json's seconds of page_owner: read, parsed, written), `records` and `own_pages`.
"""

import json
import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import Any

TARGET = Path("/run/bench.spo")
COMMANDS = {
    "cat": ("sh", "-c", "cat /sys/kernel/debug/page_owner > /dev/null"),
    "1 job": ("spo-trace", "snapshot", "--jobs", "1", "--force", "-o", str(TARGET)),
    "2 jobs": ("spo-trace", "snapshot", "--jobs", "2", "--force", "-o", str(TARGET)),
}


def main(rounds: int) -> None:
    """Measure, after one round that loads the files of all commands into memory."""
    for number in range(rounds + 1):
        for what in COMMANDS:
            measured = {"what": what, "round": number, **measure(what)}
            if number:
                print(json.dumps(measured), flush=True)


def measure(what: str) -> dict[str, Any]:
    """Run a command once."""
    started = monotonic()
    subprocess.run(COMMANDS[what], check=True, capture_output=True)
    seconds = {"seconds": round(monotonic() - started, 3)}
    if what == "cat":
        return seconds
    meta = json.loads((TARGET / "snapshot.json").read_text())
    owner = meta["files"]["page_owner"]
    return seconds | {
        "collected": owner["seconds"],
        "records": owner["records"],
        "own_pages": meta["cost"]["own_pages"],
    }


if __name__ == "__main__":
    main(int(sys.argv[1]))
