# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measure spo-trace, the kernel's page_owner_sort, wc and cat on one large page_owner text, and check their answers.

    python -m tests.bench.bench                                  # 1,000,000 records, about 740 MB
    BENCH_RECORDS=10000000 python -m tests.bench.bench --markdown bench.md

The text stays in the cache directory for the next run. Times are not checked.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench.answers import Truth
from tests.bench.generate import truth_path
from tests.bench.machine import facts
from tests.bench.measure import Run, Runs, measure
from tests.bench.table import markdown
from tests.bench.tools import Tool, tools
from tests.oracle import peer

__all__ = ["main"]

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spo-trace" / "bench"

# Bytes per record needed for the text and the tools' output (an upper bound).
_BYTES_A_RECORD = 1000


def main() -> None:
    """Run the benchmark from the command line."""
    given = _arguments()
    given.dir.mkdir(parents=True, exist_ok=True)
    text = _text(given.dir, given.records)
    truth = Truth.of(text)
    with_peer = _build_peer()
    about = {"command": f"python -m tests.bench.bench --records {given.records} --runs {given.runs}"}
    about |= {"text": f"{given.records:,} records, {truth.bytes / 1e6:,.0f} MB, {len(truth.stack):,} stacks"} | facts()
    measured = tools(text, truth, given.dir, with_peer=with_peer)
    results = _rounds(measured, given.runs, given.dir)
    floor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    answers = {tool.name: tool.answer(_output(given.dir, n)) for n, tool in enumerate(measured)}
    table = markdown(about, results, answers, truth.bytes, floor)
    print(table)
    if given.markdown:
        given.markdown.write_text(table, "utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    records = int(os.environ.get("BENCH_RECORDS") or 1_000_000)
    parser.add_argument("--records", type=int, default=records, help="records of the text [$BENCH_RECORDS]")
    parser.add_argument("--runs", type=int, default=3, help="measured rounds")
    parser.add_argument("--dir", type=Path, default=_CACHE, help="directory for the text")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table to this file, too")
    return parser.parse_args()


# In a separate process, because this one has to stay small (measure.py).
def _text(directory: Path, records: int) -> Path:
    text = directory / f"page_owner-{records}.txt"
    if text.is_file() and truth_path(text).is_file():
        return text
    needed, free = records * _BYTES_A_RECORD, shutil.disk_usage(directory).free
    if free < needed:
        sys.exit(f"{directory} has {free / 1e9:.1f} GB free, and {records:,} records need {needed / 1e9:.1f} GB")
    command = [sys.executable, "-m", "tests.bench.generate", "--records", str(records), str(text)]
    subprocess.run(command, check=True)
    return text


def _build_peer() -> bool:
    try:
        if peer.available() is not None:
            peer.build()
    except (SystemExit, OSError, subprocess.CalledProcessError) as error:
        print(f"page_owner_sort can't be built, so there are no ratios: {error}", file=sys.stderr)
        return False
    return True


def _rounds(measured: Sequence[Tool], runs: int, directory: Path) -> list[tuple[Tool, Runs]]:
    results: list[list[Run]] = [[] for _ in measured]
    # The first round fills the page cache and compiles the scanner.
    for number in range(runs + 1):
        for n, tool in enumerate(measured):
            run = measure(tool.command, _output(directory, n), one_processor=tool.one_processor)
            print(f"round {number} of {runs}: {run.seconds:7.2f} s  {tool.name}", file=sys.stderr, flush=True)
            if number:
                results[n].append(run)
    return [(tool, Runs(tuple(done))) for tool, done in zip(measured, results, strict=True)]


def _output(directory: Path, number: int) -> Path:
    return directory / f"{number}.out"


if __name__ == "__main__":
    main()
