# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compare `spo-trace report` with the oracles, for any captures.

    python tests/oracle/compare.py DIR...     # every stage (directory with a page_owner) at or below each DIR

Prints one line per stage, OK or its differences, and exits 1 if there are any.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.oracle import framed, stacks
from tests.oracle.captures import read, stages

__all__ = ["compare_stage", "differences", "main", "spo_trace"]

Totals = Mapping[str, tuple[int, int]]  # key -> base pages in memory, in swap


def main(roots: list[str]) -> int:
    """Compare every stage below the roots; return the exit code."""
    found = stages(*map(Path, roots))
    if not found:
        print("usage: compare.py DIR... (no page_owner found)", file=sys.stderr)
        return 2
    wrong = 0
    for stage in found:
        problems = compare_stage(stage)
        wrong += bool(problems)
        print(f"{stage}: {'; '.join(problems) or 'OK'}", flush=True)
    return 1 if wrong else 0


def compare_stage(stage: Path) -> list[str]:
    """Return the differences between spo-trace and the oracles in one stage."""
    texts = read(stage, "page_owner"), read(stage, "swap_page_owner")
    by_comm = framed.pages_by_comm(framed.memory(texts[0]), framed.swap(texts[1]))
    expected: dict[str, Totals] = {
        "comm": {framed.escape(comm): pages for comm, pages in by_comm.items()},
        "stack": stacks.pages_by_stack(*texts),
    }
    problems: list[str] = []
    for key, totals in expected.items():
        try:
            problems += [f"{key} {line}" for line in differences(totals, report(stage, key))]
        except subprocess.CalledProcessError as error:
            problems.append(f"report --by {key} failed ({error.returncode}): {error.stderr.strip()}")
    return problems


def report(stage: Path, by: str) -> dict[str, tuple[int, int]]:
    """Return the result of `spo-trace report` for a stage."""
    command = [spo_trace(), "report", str(stage), "--by", by, "--top", "0", "--format", "json"]
    done = subprocess.run(command, capture_output=True, check=True, encoding="utf-8")
    rows = json.loads(done.stdout)
    # Without swap_page_owner, the pages in swap are unknown; the oracles count 0.
    return {row[by] or "": (row["mem_pages"], row["swap_pages"] or 0) for row in rows}


def spo_trace() -> str:
    """Return the command to test: $SPO_TRACE, else the one next to this Python, else the one in PATH."""
    beside = Path(sys.executable).with_name("spo-trace")
    return os.environ.get("SPO_TRACE") or (str(beside) if beside.exists() else shutil.which("spo-trace") or "spo-trace")


def differences(expected: Totals, actual: Totals) -> list[str]:
    """Return one line per key whose (memory, swap) pages differ, with only the end of long keys."""
    none = (0, 0)
    return [
        f"{key[-60:]!r}: expected {expected.get(key, none)}, spo-trace says {actual.get(key, none)}"
        for key in sorted({*expected, *actual})
        if expected.get(key, none) != actual.get(key, none)
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
