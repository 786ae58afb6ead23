# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compare live collection with `cat page_owner > /dev/null` in a guest, and write the table to a file.

python -m tests.vm.bench docs/live-speed.md [ROUNDS]
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.machine import facts
from tests.bench.table import aligned
from tests.vm import guest, kernels
from tests.vm.qemu import Machine, accelerator

__all__ = ["main", "render"]

KERNEL = "7.2-spo"
MEMORY_MIB = 2000
# Pages of order 0 held by a process, so that page_owner is large.
BALLAST_MIB = 1100
TIME_LIMIT = 1800

JOB = """
echo never > /sys/kernel/mm/transparent_hugepage/enabled
python3 - {ballast} <<'BALLAST' &
import mmap, pathlib, sys, time
memory = mmap.mmap(-1, int(sys.argv[1]) << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for at in range(0, len(memory), 4096):
    memory[at] = 1
pathlib.Path("/run/held").touch()
time.sleep(100000)
BALLAST
until [ -e /run/held ]; do sleep 0.5; done
python "$VM/jobs/measure_live.py" {rounds} | tee $OUT/times.json
"""

_HEAD = ("what", "median s", "min–max s", "× cat", "target")
_CAT, _COLLECTED, _WHOLE = "`cat page_owner > /dev/null`", "page_owner collected by {}", "whole process, {}"
_TARGETS = {"1 job": "≤ 1.25", "2 jobs": "≤ 0.7"}

_TEXT = """\
# How fast a running kernel is read

Written by `make vm-bench`; every figure was measured in that run.

{facts}

{table}

"page_owner collected" is the snapshot's `seconds` for page_owner: the time to read and parse it with this number of
jobs and to write it as Parquet, except for the last rows (up to half a million). "whole process" also includes writing
these rows, reading the other files, and loading Python and pyarrow, which takes long on an emulated processor. Each
round runs all of the commands in turn; a first round is not measured. "× cat" is the median of the rounds' ratios to
`cat`, which reads fewer records, because a snapshot also lists the pages of the process that takes it.
"""

Measured = list[dict[str, Any]]


def main(target: Path, rounds: int) -> None:
    """Boot the guest, measure in it, print the document and write it to `target`."""
    machine = Machine(kernels.find(KERNEL), "page_owner=on", MEMORY_MIB, processors=2, disks_mib=())
    job = JOB.format(ballast=BALLAST_MIB, rounds=rounds)
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch:
        outcome = guest.run(machine, job, Path(scratch), time_limit=TIME_LIMIT, alone=True, echo=sys.stderr.buffer)
        measured = [json.loads(line) for line in (outcome.out / "times.json").read_text().splitlines()]
    load = f"{before:.1f} before, {os.getloadavg()[0]:.1f} after (the guest itself causes a load of 2)"
    text = render(measured, {**_facts(machine, rounds, measured), "load average of the host": load})
    print(text)
    target.write_text(text)
    print(f"Wrote {target}", file=sys.stderr)


def _facts(machine: Machine, rounds: int, measured: Measured) -> dict[str, str]:
    host = facts()
    snapshots = [one for one in measured if one["what"] != "cat"]
    records, own = (round(median(one[name] for one in snapshots)) for name in ("records", "own_pages"))
    guest_is = f"{MEMORY_MIB} MiB, {machine.processors} processors, QEMU ({accelerator(machine.kernel)})"
    return {
        "command": f"python -m tests.vm.bench docs/live-speed.md {rounds}",
        "date": host["date"],
        "host": host["processor"].rpartition(", load")[0],
        "guest": f"Linux {KERNEL}, {guest_is}, {BALLAST_MIB} MiB held in pages of order 0",
        "read": f"{records:,} records; {own:,} of the listed pages are the snapshot's own",
    }


def render(measured: Measured, told: dict[str, str]) -> str:
    """Return the document in Markdown, from the output of jobs/measure_live.py."""
    cat = _seconds(measured, "cat", "seconds")
    rows = [(_CAT, *_row(cat, cat), "")]
    for what, target in _TARGETS.items():
        rows.append((_COLLECTED.format(what), *_row(_seconds(measured, what, "collected"), cat), target))
    rows += [(_WHOLE.format(what), *_row(_seconds(measured, what, "seconds"), cat), "") for what in _TARGETS]
    lines = "\n".join(f"- {name}: {value}" for name, value in told.items())
    return _TEXT.format(facts=lines, table="\n".join(aligned([_HEAD, *rows])))


def _seconds(measured: Measured, what: str, column: str) -> list[float]:
    return [one[column] for one in measured if one["what"] == what]


def _row(seconds: list[float], cat: list[float]) -> tuple[str, str, str]:
    ratio = median(ours / theirs for ours, theirs in zip(seconds, cat, strict=True))
    return f"{median(seconds):.2f}", f"{min(seconds):.2f}–{max(seconds):.2f}", f"{ratio:.2f}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5)
