# SPDX-License-Identifier: LGPL-2.1-or-later
"""In a guest: measure `cat page_owner > /dev/null`, the collector and snapshots in turn, ROUNDS times.

Prints a JSON object for each measurement: `what`, `round`, `seconds` (of the whole process), and for snapshots also
`read` (seconds in which page_owner was read), `records` and `own_pages`.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import Any

from spo_trace.native.collector import PATH
from spo_trace.sources.bare_python import bare_python

SNAPSHOT, CAPTURE, PLAN = Path("/run/bench.spo"), Path("/run/capture"), Path("/run/plan")
COLLECTOR = str(PATH)
PAGE_OWNER = "/sys/kernel/debug/page_owner"
PLANNER = (*bare_python("spo_trace.memory.planner"), "3", PAGE_OWNER)
TAKE = ("spo-trace", "snapshot", "--force", "-o", str(SNAPSHOT), "--method")
COMMANDS = {
    "cat": ("sh", "-c", f"cat {PAGE_OWNER} > /dev/null"),
    "collect text": (COLLECTOR, str(CAPTURE)),
    "find addresses": ("sh", "-c", f'exec "$@" 3> {PLAN}', "sh", *PLANNER),
    "collect memory": (COLLECTOR, "-m", str(PLAN), str(CAPTURE)),
    "snapshot text": (*TAKE, "text", "--jobs", "1"),
    "snapshot text, 2 jobs": (*TAKE, "text", "--jobs", "2"),
    "snapshot memory": (*TAKE, "memory", "--jobs", "1"),
}


def main(rounds: int, kept: Path | None) -> None:
    """Measure, after a round that loads the files of all commands into memory.

    `kept`: a directory for the snapshots of that round (cold) and of the next one (warm), and for the plan.
    """
    commands = {what: command for what, command in COMMANDS.items() if "2 jobs" not in what or os.cpu_count() != 1}
    for number in range(rounds + 1):
        for what in commands:
            if kept and not number:
                # Each of the cold snapshots reads its program from the disk.
                os.sync()
                Path("/proc/sys/vm/drop_caches").write_text("3\n")
            measured = {"what": what, "round": number, **measure(what)}
            if number:
                print(json.dumps(measured), flush=True)
            if kept and number < 2 and what.startswith("snapshot"):
                shutil.copytree(SNAPSHOT, kept / f"{what.partition(' ')[2]}-{'warm' if number else 'cold'}.spo")
                shutil.copy(PLAN, kept)


def measure(what: str) -> dict[str, Any]:
    """Run a command once."""
    shutil.rmtree(CAPTURE, ignore_errors=True)
    started = monotonic()
    subprocess.run(COMMANDS[what], check=True, capture_output=True)
    seconds = {"seconds": round(monotonic() - started, 4)}
    if not what.startswith("snapshot"):
        return seconds
    meta = json.loads((SNAPSHOT / "snapshot.json").read_text())
    owner = meta["files"]["page_owner"]
    return seconds | {"read": owner["seconds"], "records": owner["records"], "own_pages": meta["cost"]["own_pages"]}


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
