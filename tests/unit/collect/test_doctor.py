# SPDX-License-Identifier: LGPL-2.1-or-later
"""The checks of doctor beside those of the kernel, and their imports."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spo_trace.collect import doctor
from spo_trace.collect.doctor import check_for_snapshot, check_for_trace
from spo_trace.formats.missing import Missing
from spo_trace.machine.answer import SNAPSHOT_NEEDS, answer
from spo_trace.machine.check import Check, CheckCode, State, Topic
from spo_trace.machine.facts import Machine
from spo_trace.native import library
from spo_trace.native.collector import Program


def test_every_check_has_its_own_code(tmp_path: Path) -> None:
    codes = [check.code for check in [*check_for_snapshot(tmp_path), *check_for_trace(tmp_path)]]
    assert sorted(codes) == sorted(CheckCode)


@pytest.mark.parametrize("missing", ["scanner", "collector", "scanner, collector"])
def test_no_compiled_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setattr(library, "load", lambda: None if "scanner" in missing else library)
    monkeypatch.setattr(doctor, "program", lambda: None if "collector" in missing else Program(b"", "", True))
    found = {check.code: check for check in check_for_snapshot(tmp_path)}[CheckCode.COMPILED_CODE]
    assert found.state is State.OPTIONAL
    assert [name for name in ("scanner", "collector") if name in found.found] == missing.split(", ")
    assert found.fix == "reinstall spo-trace on a machine with a C compiler (cc)"


@pytest.mark.parametrize("module", ["numpy", "pandas", "pyarrow"])
def test_doctor_does_not_import(module: str) -> None:
    # Each import takes longer than all checks together.
    program = (
        "import sys\n"
        "from spo_trace import cli\n"
        "sys.argv = ['spo-trace', 'doctor']\n"
        "try: cli.main()\n"
        f"except SystemExit: sys.exit('{module}' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("missing", "readable", "state"),
    [
        ({CheckCode.DEBUGFS: Missing.NOT_MOUNTED}, True, State.OK),
        ({CheckCode.DEBUGFS: Missing.NOT_MOUNTED}, False, State.MISSING),
        ({CheckCode.DEBUGFS: Missing.DEBUGFS_OFF, CheckCode.PAGE_OWNER: Missing.LOCKDOWN}, True, State.OK),
        # Then memory has no owners, or this user may not read it.
        ({CheckCode.DEBUGFS: Missing.NOT_MOUNTED, CheckCode.PAGE_OWNER: Missing.NOT_SWITCHED_ON}, True, State.MISSING),
        ({CheckCode.DEBUGFS: Missing.NOT_MOUNTED, CheckCode.ROOT: Missing.NOT_ROOT}, True, State.MISSING),
    ],
)
def test_without_debugfs_memory_is_read(
    monkeypatch: pytest.MonkeyPatch, missing: dict[CheckCode, Missing], readable: bool, state: State
) -> None:
    def needs(_: Machine) -> Iterator[Check]:
        for code in (CheckCode.ROOT, CheckCode.DEBUGFS, CheckCode.PAGE_OWNER):
            topic = Topic(code, code)
            yield topic.missing("it is missing", "mount it", missing[code]) if code in missing else topic.unknown("?")

    monkeypatch.setattr(doctor, "snapshot_needs", needs)
    monkeypatch.setattr(doctor, "can_read_memory", lambda: readable)
    found = {check.code: check for check in check_for_snapshot()}
    assert found[CheckCode.DEBUGFS].state is state
    instead = state is State.OK
    assert found[CheckCode.DEBUGFS].found.endswith("; owners are read from memory instead") is instead
    assert found[CheckCode.DEBUGFS].fix == "mount it"
    assert (answer(found.values(), SNAPSHOT_NEEDS - {CheckCode.ROOT}) == "possible") is instead
