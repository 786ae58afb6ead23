# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compare ways to read a running kernel with `cat page_owner > /dev/null` in guests, and write the tables to a file.

One guest counts instructions, which do not depend on the load of the host; another one with two processors is timed.

python -m tests.vm.bench docs/live-speed.md [ROUNDS]
"""

import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import spo_trace as spo
from spo_trace.snapshots.reader import Snapshot
from tests.bench.machine import facts
from tests.bench.table import aligned
from tests.vm import guest, kernels
from tests.vm.qemu import Machine, accelerator

__all__ = ["main", "render"]

KERNEL = "7.2-spo"
CMDLINE = "page_owner=on,swap"
# Of each guest: its memory, and the pages of order 0 that a process holds, so that page_owner is large.
COUNTED_MIB, COUNTED_BALLAST = 491, 240
TIMED_MIB, TIMED_BALLAST = 2000, 1100
# -icount shift=1: the guest's clock advances by 2 ns for each instruction.
NS = 2
MIB = 1 << 20
PAGE_BYTES = 4096

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
python "$VM/jobs/measure_live.py" {rounds} {kept} | tee $OUT/times.json
"""

_ROWS = {
    "cat": "`cat page_owner > /dev/null`",
    "collect text": "`spo-collect`, text",
    "find addresses": "find addresses, compare with debugfs",
    "collect memory": "`spo-collect`, memory",
    "snapshot text": "`spo-trace snapshot --method text`",
    "snapshot text, 2 jobs": "the same with `--jobs 2`",
    "snapshot memory": "`spo-trace snapshot --method memory`",
}

_TEXT = """\
# How fast a running kernel is read, and at what cost

Written by `make vm-bench`; every figure was measured in that run.

{facts}

## By instructions

{counted_facts}

{counted}

QEMU counts the instructions of kernel and user space (`-icount`), so these figures do not depend on the load of the
host. `spo-collect` is the process that reads the kernel, and writes what it read. The rows of `spo-trace snapshot` are
whole commands: they also load Python and pyarrow, parse, and write the snapshot. "own pages" are those that the command
(or `spo-collect` alone) had allocated when they were read, the page cache of its files included, which are in a tmpfs.
Nothing of spo-trace was in memory before; for `spo-collect`, the first amount is with its program in memory.

## Larger machines: computed, not measured

If each page frame has a record of its own (order 0), from the instructions for a record above and the sizes of page_ext
and of struct page ({frame_bytes} bytes):

{computed}

## By time

{timed_facts}

{timed}

Each round runs all of the commands in turn; a first round is not measured. "× cat" is the median of the rounds' ratios.
"read in" is the time between the first and the last page that was seen.
"""

Measured = list[dict[str, Any]]


def main(target: Path, rounds: int) -> None:
    """Boot the guests, measure in them, print the document and write it to `target`."""
    counting = Machine(kernels.find(KERNEL), CMDLINE, COUNTED_MIB, disks_mib=(), counts_instructions=True)
    timed = replace(counting, memory_mib=TIMED_MIB, processors=2, counts_instructions=False)
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch:
        counts, own, frame_bytes = _counted(counting, Path(scratch))
        times = _run(timed, TIMED_BALLAST, rounds, "", Path(scratch) / "timed")
    host = facts()
    told = {
        "command": f"python -m tests.vm.bench docs/live-speed.md {rounds}",
        "date": host["date"],
        "host": host["processor"].rpartition(", load")[0],
        "load average of the host": f"{before:.1f} before, {os.getloadavg()[0]:.1f} after (the guests cause one of 2)",
        "guests": f"Linux {KERNEL}, `{CMDLINE}`, QEMU ({accelerator(timed.kernel)})",
    }
    text = render(counts, own, frame_bytes, times, told)
    print(text)
    target.write_text(text)
    print(f"Wrote {target}", file=sys.stderr)


def _counted(machine: Machine, scratch: Path) -> tuple[Measured, dict[str, str], int]:
    counts = _run(machine, COUNTED_BALLAST, 1, "$OUT", scratch / "counted")
    own: dict[str, str] = {}
    for method in ("text", "memory"):
        cold, warm = (spo.open(scratch / "counted" / f"{method}-{state}.spo") for state in ("cold", "warm"))
        own[f"snapshot {method}"] = _mib(_pages_of_all(cold))
        own[f"collect {method}"] = f"{_mib(_pages_of_collector(warm))} ({_mib(_pages_of_collector(cold))} cold)"
    plan = dict(line.split(" ", 1) for line in (scratch / "counted" / "plan").read_text().splitlines() if " " in line)
    return counts, own, int(plan["ext_bytes"], 16) + int(plan["page_bytes"], 16)


def _mib(pages: int) -> str:
    return f"{pages * PAGE_BYTES / MIB:.1f}"


def _pages_of_all(snap: Snapshot) -> int:
    assert snap.meta.cost is not None and snap.meta.cost.own_pages is not None
    return snap.meta.cost.own_pages


# The process that took the snapshot: the page cache of the program may belong to one before it.
def _pages_of_collector(snap: Snapshot) -> int:
    pages = snap.pages[snap.pages.comm == "spo-collect"]
    newest = pages.sort_values("ts_nsec")["tgid"].iloc[-1]
    return int(np.left_shift(1, pages["order"][pages["tgid"] == newest].to_numpy(np.int64)).sum())


def _run(machine: Machine, ballast: int, rounds: int, kept: str, out: Path) -> Measured:
    job = JOB.format(ballast=ballast, rounds=rounds, kept=kept)
    guest.run(machine, job, out, alone=True, echo=sys.stderr.buffer)
    return [json.loads(line) for line in (out / "times.json").read_text().splitlines()]


def render(counts: Measured, own: dict[str, str], frame_bytes: int, times: Measured, told: dict[str, str]) -> str:
    """Return the document in Markdown, from the output of jobs/measure_live.py and the own pages of each command.

    `frame_bytes`: what the memory method reads for each page frame.
    """
    return _TEXT.format(
        facts="\n".join(f"- {name}: {value}" for name, value in told.items()),
        counted_facts=_guest(COUNTED_MIB, 1, COUNTED_BALLAST, counts),
        counted="\n".join(aligned([_COUNTED, *_counted_rows(counts, own)])),
        frame_bytes=frame_bytes,
        computed="\n".join(aligned([_COMPUTED, *_computed_rows(counts, frame_bytes)])),
        timed_facts=_guest(TIMED_MIB, 2, TIMED_BALLAST, times),
        timed="\n".join(aligned([_TIMED, *_timed_rows(times)])),
    )


def _guest(memory: int, processors: int, ballast: int, measured: Measured) -> str:
    count = "1 processor" if processors == 1 else f"{processors} processors"
    return (
        f"A guest of {memory} MiB with {count}; {ballast} MiB are in pages of order 0: {_records(measured):,} records."
    )


_COUNTED = ("what", "million instructions", "× cat", "own pages MiB", "target")
_TIMED = ("what", "median s", "min–max s", "× cat", "read in s", "target")
_COUNTED_TARGETS = {
    "collect text": "≤ 1.08, ≤ 2 MiB",
    "collect memory": "≤ 0.05, ≤ 8 MiB",
    "snapshot text": "≤ 12 MiB",
    "snapshot memory": "≤ 16 MiB",
}
_COMPUTED = ("machine", "page frames", "text: billion instructions", "memory: billion instructions", "memory: GB read")
_LARGER_GIB = (64, 256)
_TIMED_TARGETS = {"snapshot memory": "read in ≤ 1 s"}


def _counted_rows(counts: Measured, own: dict[str, str]) -> list[tuple[str, ...]]:
    cat = median(_values(counts, "cat", "seconds"))
    rows: list[tuple[str, ...]] = []
    for what, title in _shown(counts):
        seconds = median(_values(counts, what, "seconds"))
        millions = f"{seconds * 1e9 / NS / 1e6:,.0f}"
        rows.append((title, millions, f"{seconds / cat:.3f}", own.get(what, ""), _COUNTED_TARGETS.get(what, "")))
    return rows


def _computed_rows(counts: Measured, frame_bytes: int) -> list[tuple[str, ...]]:
    records = _records(counts)
    rows: list[tuple[str, ...]] = []
    for size in _LARGER_GIB:
        frames = (size << 30) // PAGE_BYTES
        billions = [
            f"{median(_values(counts, what, 'seconds')) / NS * frames / records:,.1f}"
            for what in ("collect text", "collect memory")
        ]
        rows.append((f"{size} GiB", f"{frames:,}", *billions, f"{frames * frame_bytes / 1e9:.1f}"))
    return rows


def _records(measured: Measured) -> int:
    return int(median(one["records"] for one in measured if "records" in one))


def _timed_rows(times: Measured) -> list[tuple[str, ...]]:
    cat = _values(times, "cat", "seconds")
    rows: list[tuple[str, ...]] = []
    for what, title in _shown(times):
        seconds, read = _values(times, what, "seconds"), _values(times, what, "read")
        ratio = median(ours / theirs for ours, theirs in zip(seconds, cat, strict=True))
        spread = f"{min(seconds):.2f}–{max(seconds):.2f}"
        read_in = f"{median(read):.2f}" if read else ""
        target = _TIMED_TARGETS.get(what, "")
        rows.append((title, f"{median(seconds):.2f}", spread, f"{ratio:.2f}", read_in, target))
    return rows


def _shown(measured: Measured) -> list[tuple[str, str]]:
    found = {one["what"] for one in measured}
    return [(what, title) for what, title in _ROWS.items() if what in found]


def _values(measured: Measured, what: str, column: str) -> list[float]:
    return [one[column] for one in measured if one["what"] == what and column in one]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5)
