# SPDX-License-Identifier: LGPL-2.1-or-later
"""`fleet add` and `fleet compact` are killed (SIGKILL) before each change of a file: no answer changes."""

import os
from pathlib import Path

import spo_trace as spo
from tests.support import page
from tests.unit.fleet.killing import answers, killed_at
from tests.unit.fleet.machines import machine

# Kills itself before the N-th call that changes what is on the disk.
PROGRAM = """
import os, signal, sys
left = int(sys.argv.pop(1))
def dying(function):
    def run(*given, **named):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*given, **named)
    return run
from spo_trace import cli
from spo_trace.fleet import fleet
for name in ("fsync", "rename", "unlink", "fchmod"):
    setattr(os, name, dying(getattr(os, name)))
cli.main()
"""


def test_add(tmp_path: Path) -> None:
    root = tmp_path / "f"
    spo.fleet.open(root, create=True).add(machine(tmp_path, "web1"), time="2026-01-01")
    new = machine(tmp_path, "web2", more=page(0x999, stack=(b"new_function+0x1/0x2",)))
    before, place = answers(root), 0
    while killed_at(PROGRAM, place, "fleet", "add", "f", new.path, "--time", "2026-01-02", cwd=tmp_path):
        # The file of the catalog is the last of three: from its name on, the snapshot counts.
        found = answers(root)
        assert found == before or [row["host"] for row in found[1]] == ["web2", "web1"]
        place += 1
    # Each file is flushed and named, then its directory is flushed.
    assert place >= 6
    assert [row["host"] for row in answers(root)[1]] == ["web2", "web1"]


def test_compact(tmp_path: Path) -> None:
    root = tmp_path / "f"
    fleet = spo.fleet.open(root, create=True)
    for number in range(3):
        new = page(0x999, stack=(b"function_%d+0x1/0x2" % number,))
        fleet.add(machine(tmp_path, f"web{number}", more=new), time=f"2026-01-0{number // 2 + 1}")
    for path in root.rglob("*.parquet"):
        os.utime(path, (0, 0))
    before, place = answers(root), 0
    while killed_at(PROGRAM, place, "fleet", "compact", "f", cwd=tmp_path):
        assert answers(root) == before
        # As if each step took an hour: what is unused now is removed by the next run.
        for path in root.rglob("*.*"):
            os.utime(path, (0, 0))
        place += 1
    assert place >= 6
    assert answers(root) == before
    assert len(list((root / "snapshots").iterdir())) == len(list((root / "cube").iterdir())) == 2
