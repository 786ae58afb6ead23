# SPDX-License-Identifier: LGPL-2.1-or-later
"""The systemd units of contrib/."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from time import time

import pytest

import spo_trace as spo
from tests.docs.reference import commands, options_of
from tests.support import EXECUTABLE
from tests.unit.fleet.machines import machine

UNITS = sorted((Path(__file__).parents[2] / "contrib" / "systemd").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
ANALYZE = shutil.which("systemd-analyze")

needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="needs systemd-analyze (Debian: systemd)")


def analyzed(place: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    assert ANALYZE
    command = [ANALYZE, *map(str, arguments)]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=120)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory with the units, which run the executable of this environment."""
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace("/usr/local/bin/spo-trace", str(EXECUTABLE)))
    return tmp_path


@needs_systemd
def test_systemd_finds_no_fault(place: Path) -> None:
    checked = analyzed(place, "verify", "--man=no", *(place / unit.name for unit in UNITS))
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_service_has_few_privileges(unit: Path, place: Path) -> None:
    # A unit without any of the settings has 96 of 100.
    checked = analyzed(place, "security", "--offline=yes", "--threshold=60", place / unit.name)
    if "nrecognized option" in checked.stderr:
        pytest.skip("systemd before 250 analyses no files")
    assert checked.returncode == 0, checked.stdout[-200:] + checked.stderr


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_service_uses_options_that_exist(unit: Path) -> None:
    text = unit.read_text()
    (name, rest) = re.findall(r"^ExecStart=.*/usr/local/bin/spo-trace (fleet \w+|[\w-]+)(.*)$", text, re.M)[0]
    given = {word for word in rest.split() if word.startswith("-")}
    assert given <= set(options_of(commands()[name]))
    # Without "-", a service whose directory is missing ends before spo-trace can name it.
    assert all(path.startswith("-") for path in re.findall(r"^ReadWritePaths=(.*)$", text, re.M))
    # Hides /proc/kcore and /proc/kallsyms, or drops capabilities that reading memory needs.
    assert not re.search(r"^(ProtectKernelTunables|ProtectKernelLogs|PrivateDevices)=", text, re.M)


def test_the_last_snapshot_is_added_to_the_fleet(tmp_path: Path) -> None:
    # GIVEN two snapshots, and what systemd would execute: "$$" is "$"
    text = next(unit for unit in UNITS if unit.name == "spo-trace-fleet.service").read_text()
    (line,) = re.findall(r"^ExecStart=/bin/sh -c '(.*)'$", text, re.M)
    for number, name in enumerate(("old", "new")):
        snap = machine(tmp_path, name)
        snap.path.rename(tmp_path / f"{name}.spo")
        os.utime(tmp_path / f"{name}.spo", (number, number))
    environment = os.environ | {
        "ROOT": "f",
        "OPTIONS": "--label role=web --label zone=a",
        "XDG_CACHE_HOME": str(tmp_path),
    }
    line = line.replace("$$", "$").replace("/usr/local/bin/spo-trace", str(EXECUTABLE))
    subprocess.run(["/bin/sh", "-c", line], cwd=tmp_path, env=environment, check=True, timeout=60)
    # THEN the fleet has the newer one
    (row,) = spo.fleet.open(tmp_path / "f").catalog.rows.to_pylist()
    assert (row["host"], row["labels"]) == ("new", [("role", "web"), ("zone", "a")])


def test_old_snapshots_are_removed_and_nothing_else(tmp_path: Path) -> None:
    # GIVEN what systemd would execute after a snapshot, in the directory of snapshots
    text = next(unit for unit in UNITS if unit.name == "spo-trace-snapshot.service").read_text()
    command = re.findall(r"^ExecStartPost=(.*)$", text, re.M)[0].replace("${KEEP_DAYS}", "14").split()
    assert "Environment=KEEP_DAYS=14" in text
    # AND snapshots of 13 and 16 days, and other old things
    for name, days in {"box-1.spo": 16, "box-2.spo": 13, "notes": 16, "a.spo.d": 16}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "snapshot.json").touch()
        os.utime(tmp_path / name, (then := time() - days * 86400, then))
    (tmp_path / "file.spo").touch()
    os.utime(tmp_path / "file.spo", (0, 0))
    (tmp_path / "link.spo").symlink_to("notes")
    # WHEN it runs
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    # THEN the old snapshot is gone
    assert {path.name for path in tmp_path.iterdir()} == {"box-2.spo", "notes", "a.spo.d", "file.spo", "link.spo"}
