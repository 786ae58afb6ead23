# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fuzz snapshots: each command prints what it prints for the undamaged snapshot, or one error.

    python tests/fuzz/fuzz_snapshots.py --seconds 60

Damage to snapshot.json may change other output than amounts; damage to names and times in Parquet that is as valid as
the original is not an error.
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

from tests.damage import small_real_snapshot  # noqa: E402  # found by the line above
from tests.fuzz.cases import Try, run_cases  # noqa: E402
from tests.fuzz.damaging import Damaged, damage  # noqa: E402
from tests.support import in_process  # noqa: E402

_COMMANDS = {
    "total": ["report", "x.spo", "--by", "slab", "-f", "csv"],
    "report": ["report", "x.spo", "--by", "caller,comm", "-f", "csv"],
    "verify": ["verify", "x.spo"],
    "diff": ["diff", "real.spo", "x.spo", "-f", "csv"],
    "export": ["export", "x.spo", "-f", "csv", "-o", "-"],
    "html": ["export", "x.spo", "-f", "html", "-o", "-"],
}
_ERROR = re.compile(r"^spo-trace: error: ", re.MULTILINE)


def prepare(directory: Path) -> Try:
    """Return the function that runs a case."""
    original = small_real_snapshot(directory)
    copy = directory / "x.spo"
    shutil.copytree(original, copy)
    right = {name: in_process(*command, cwd=directory) for name, command in _COMMANDS.items()}

    def attempt(number: int) -> str | None:
        choose = random.Random(number)
        shutil.rmtree(copy)
        shutil.copytree(original, copy)
        done = damage(copy, choose)
        for name in ("total", choose.choice(sorted(_COMMANDS))):
            try:
                run = in_process(*_COMMANDS[name], cwd=directory)
            except Exception as error:  # noqa: BLE001  # a bug is a result
                return f"{done}: {name}: {type(error).__name__}: {error}: {traceback.format_exc()[-600:]!r}"
            errors = len(_ERROR.findall(run.stderr.decode()))
            if run.returncode == 1:
                if errors != 1:
                    return f"{done}: {name}: {errors} errors: {run.stderr.decode()!r}"
            elif errors and name != "verify":
                return f"{done}: {name}: an error with exit code {run.returncode}"
            elif run.stdout != right[name].stdout and _must_equal(done, name):
                return f"{done}: {name}: other amounts with exit code {run.returncode}: {run.stdout.decode()!r}"
        return None

    return attempt


# A changed byte in a table is found by its CRC or makes the footer invalid, so no other output is right. A table that
# was written again may have other valid values: of slab, orders that a kernel can have.
def _must_equal(done: Damaged, name: str) -> bool:
    if not done.is_structured:
        return done.file != "snapshot.json" and name in ("total", "report", "export")
    return name == "total" and not re.match(r"slab|order\[\d+\] = '(0|1)'|order is ", done.how)


if __name__ == "__main__":
    run_cases(prepare, __doc__)
