# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fuzz recordings: trend prints a table, or one error; a gate does not pass because of damage.

python tests/fuzz/fuzz_recordings.py --seconds 60
"""

import random
import re
import shutil
import sys
import traceback
from pathlib import Path

ROOT = Path(__file__).parents[2]

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

import pandas as pd  # noqa: E402  # found by the line above

from spo_trace.analysis.question import Question  # noqa: E402
from spo_trace.sampling.recording import Recording  # noqa: E402
from spo_trace.sampling.samples import Sample  # noqa: E402
from spo_trace.snapshots.meta import MachineFacts, Meta  # noqa: E402
from spo_trace.snapshots.page_size import PageSizeFrom  # noqa: E402
from tests.fuzz.cases import Try, run_cases  # noqa: E402
from tests.fuzz.damaging import damage  # noqa: E402
from tests.support import in_process  # noqa: E402

_META = Meta(3, MachineFacts(4096, PageSizeFrom.PAGESIZE))
_SAMPLES = 8
_ERROR = re.compile(r"^spo-trace: error: ", re.MULTILINE)


def prepare(directory: Path) -> Try:
    """Return the function that runs a case."""
    _record(directory / "real")
    copy = directory / "x"

    def attempt(number: int) -> str | None:
        choose = random.Random(number)
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(directory / "real", copy)
        done = _exchange(copy, choose) if choose.random() < 0.2 else str(damage(copy, choose))
        try:
            run = in_process("trend", "x", "--fail-above", "1K/s", cwd=directory)
        except Exception as error:  # noqa: BLE001  # a bug is a result
            return f"{done}: {type(error).__name__}: {error}: {traceback.format_exc()[-600:]!r}"
        # A sample with another owner or another amount is valid, and can hide the growth.
        if run.returncode == 0 and not re.search(r"(total_bytes|comm)(\[| )|rows? (lost|doubled|reversed)", done):
            return f"{done}: the gate passes: {run.stderr.decode()!r}"
        if run.returncode == 1 and len(_ERROR.findall(run.stderr.decode())) != 1:
            return f"{done}: not one error: {run.stderr.decode()!r}"
        return None

    return attempt


# Two owners, one of which grows by 1 MiB a minute.
def _record(directory: Path) -> None:
    with Recording(directory, Question.of(["comm"])) as recording:
        for number in range(1, _SAMPLES + 1):
            total = [number << 20, 8192]
            known = {"comm": ["dd", "cat"], "key_known": True, "swap_bytes": 0, "swap_cache_bytes": 0}
            table = pd.DataFrame({**known, "mem_bytes": total, "total_bytes": total})
            recording.add(Sample(number, number * 60.0, "2026-01-01T00:00:00+00:00", "text", 0.1, table, _META))


def _exchange(directory: Path, choose: random.Random) -> str:
    one, other = (f"{number:06}.parquet" for number in choose.sample(range(1, _SAMPLES + 2), 2))
    if not (directory / one).exists():
        one, other = other, one
    if choose.random() < 0.5:
        shutil.copy(directory / one, directory / other)
        return f"{one} copied to {other}"
    (directory / one).unlink()
    return f"{one} lost"


if __name__ == "__main__":
    run_cases(prepare, __doc__)
