# SPDX-License-Identifier: LGPL-2.1-or-later
"""`spo-trace doctor`, and the errors of snapshot and watch without page_owner, on the machine that runs the tests."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from spo_trace.formats.missing import Missing
from spo_trace.machine.answer import SNAPSHOT_NEEDS, TRACE_NEEDS
from spo_trace.machine.check import CheckCode
from spo_trace.version import __version__
from tests.support import EXECUTABLE, in_process

REACHES_PAGE_OWNER = os.access("/sys/kernel/debug/page_owner", os.R_OK)

needs_no_page_owner = pytest.mark.skipif(REACHES_PAGE_OWNER, reason="this machine's page_owner can be read")


def as_nobody(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user without root; skip the test if such a user may not run this Python."""
    drop = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] if os.geteuid() == 0 else []
    if drop and shutil.which("setpriv") is None:
        pytest.skip("there is no setpriv to give up root with")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [*drop, str(EXECUTABLE), *words]
        environment = {"PATH": os.environ["PATH"]}
        return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)

    if run("--version").returncode:
        pytest.skip("a user without root may not run this Python")
    return run(*arguments)


@needs_no_page_owner
def test_doctor_shows_all_gaps_and_exits_with_1(tmp_path: Path) -> None:
    done = in_process("doctor", cwd=tmp_path)
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 1
    assert lines[0] == "snapshot and watch:"
    assert any(line.startswith("trace") for line in lines)
    assert sum(not line.startswith(("snapshot", "trace", " ")) for line in lines) == len(CheckCode)
    assert b"cannot take a live snapshot on this machine yet" in done.stderr


def test_doctor_for_programs(tmp_path: Path) -> None:
    done = in_process("doctor", "--format", "json", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert [*found] == ["tool_version", "kernel_release", "snapshot", "trace", "checks"]
    assert (found["tool_version"], found["kernel_release"]) == (__version__, os.uname().release)
    checks = found["checks"]
    assert [check["code"] for check in checks] == list(CheckCode)
    assert {*checks[0]} == {"code", "needed_for", "required", "status", "cause", "message", "fix"}
    assert {check["status"] for check in checks} <= {"ok", "missing", "unknown"}
    assert {check["cause"] for check in checks} - {None} <= set(Missing)
    assert all((check["cause"] is None) or check["status"] == "missing" for check in checks)
    # AND the answers follow from the checks
    for name in ("snapshot", "trace"):
        needed = {check["status"] for check in checks if check["needed_for"] == name and check["required"]}
        expected = "impossible" if "missing" in needed else "unknown" if "unknown" in needed else "possible"
        assert found[name] == expected
    assert done.returncode == (found["snapshot"] == "impossible")


def test_the_document_lists_every_code_and_which_are_required() -> None:
    text = (Path(__file__).parents[2] / "docs" / "in-ci.md").read_text()
    rows = re.findall(
        r"^\| ([a-z_, ]+) \| (.*) \|$", text.partition("| code | checks |")[2].partition("\n\n")[0], re.MULTILINE
    )
    listed = {code: "(required)" in meaning for codes, meaning in rows for code in codes.split(", ")}
    assert listed == {code: code in SNAPSHOT_NEEDS | TRACE_NEEDS for code in CheckCode}


def test_doctor_knows_two_formats(tmp_path: Path) -> None:
    assert in_process("doctor", "--format", "yaml", cwd=tmp_path).returncode == 2


@needs_no_page_owner
def test_doctor_without_root_shows_more_than_root() -> None:
    done = as_nobody("doctor", "--format", "json")
    states = {check["code"]: check["status"] for check in json.loads(done.stdout)["checks"]}
    assert states["root"] == "missing"
    # /proc/cmdline is readable for every user.
    assert states["page_owner"] == "missing" or "page_owner=" in Path("/proc/cmdline").read_text()


@needs_no_page_owner
@pytest.mark.parametrize("command", [("snapshot", "-o", "/tmp/never.spo"), ("watch", "--count", "1")])
def test_the_error_without_root_asks_for_root(command: tuple[str, ...]) -> None:
    done = as_nobody(*command)
    assert done.returncode == 1
    assert "not root" in done.stderr
    assert "run it with sudo" in done.stderr
    assert "has no page_owner" not in done.stderr


@needs_no_page_owner
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("command", [("snapshot", "-o", "x.spo"), ("watch", "--count", "1")])
def test_the_error_as_root_shows_what_doctor_finds(tmp_path: Path, command: tuple[str, ...]) -> None:
    found = json.loads(in_process("doctor", "--format", "json", cwd=tmp_path).stdout)
    needed = [check for check in found["checks"] if check["required"] and check["needed_for"] == "snapshot"]
    causes = [check["message"] for check in needed if check["status"] == "missing"]
    done = in_process(*command, cwd=tmp_path)
    assert done.returncode == 1
    assert f"{'; '.join(causes)}\n".encode() in done.stderr
