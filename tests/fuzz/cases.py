# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run numbered cases in a process of their own, so that a crash or a hang is a result, too."""

import argparse
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["run_cases"]

_LONGEST = 60.0

Try = Callable[[int], str | None]


def run_cases(prepare: Callable[[Path], Try], description: str) -> None:
    """Run cases for --seconds, or the ones given by number; exit with 1 at the first that fails.

    `prepare` is called with a scratch directory. It returns the function that runs a case by its number, and returns
    what is wrong, None if nothing is.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1, help="number of the first case")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("cases", nargs="*", type=int, help="cases to repeat instead of fuzzing")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="spo-trace-fuzz-") as scratch:
        if given.worker or given.cases:
            attempt = prepare(Path(scratch))
            for number in given.cases or map(int, sys.stdin):
                print(f"{number}\t{attempt(number) or ''}", flush=True)
            return
    sys.exit(_fuzz(given.seconds, given.seed))


def _fuzz(seconds: int, seed: int) -> int:
    end = time.monotonic() + seconds
    number = seed
    with subprocess.Popen(
        [sys.executable, sys.argv[0], "--worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as worker:
        while time.monotonic() < end:
            wrong = _one(worker, number)
            if wrong:
                worker.kill()
                print(f"case {number}: {wrong}\nrepeat it: {sys.argv[0]} {number}", file=sys.stderr)
                return 1
            number += 1
        assert worker.stdin
        worker.stdin.close()
    print(f"{Path(sys.argv[0]).name}: {number - seed} cases in {seconds} s (from {seed}): nothing wrong")
    return 0


def _one(worker: "subprocess.Popen[str]", number: int) -> str:
    assert worker.stdin and worker.stdout
    print(number, file=worker.stdin, flush=True)
    if not select.select([worker.stdout], [], [], _LONGEST)[0]:
        return f"no answer in {_LONGEST:.0f} s"
    answer = worker.stdout.readline()
    return answer.partition("\t")[2].strip() if answer else "the process crashed"
