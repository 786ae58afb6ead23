# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace collector: a program that runs on other machines, or an error."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from spo_trace.cli import collector as cli
from spo_trace.native.collector import Program, program
from tests.collectors import compile_collector
from tests.support import in_process

needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")


@pytest.fixture
def static(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Replace the installed collector by one that was just compiled."""
    path = tmp_path / "built"
    try:
        compile_collector(path, "-static")
    except subprocess.CalledProcessError:
        pytest.skip("there is no static C library")
    found = program(path)
    assert found is not None
    monkeypatch.setattr(cli, "program", lambda: found)
    return found


@needs_cc
def test_the_program_is_written_and_runs(static: Program, tmp_path: Path) -> None:
    done = in_process("collector", "-o", "spo-collect", cwd=tmp_path)
    assert done.returncode == 0
    machine = os.uname().machine
    assert done.stderr.decode().endswith(f"Wrote spo-collect: a static program for Linux on {machine}\n")
    written = tmp_path / "spo-collect"
    assert stat.S_IMODE(written.stat().st_mode) == 0o700
    # It needs no library, and no environment.
    shown = subprocess.run([written, "-h"], env={}, capture_output=True, check=True)
    assert shown.stdout.startswith(b"usage: spo-collect")
    # A second one does not replace it.
    assert in_process("collector", "-o", "spo-collect", cwd=tmp_path).returncode == 1
    assert in_process("collector", "-o", "spo-collect", "--force", "--mode", "0644", cwd=tmp_path).returncode == 0
    assert stat.S_IMODE(written.stat().st_mode) == 0o755


def test_a_program_that_needs_libraries_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = program(Path(os.path.realpath(sys.executable)))
    assert found is not None
    assert (found.architecture, found.is_static) == (os.uname().machine, False)
    monkeypatch.setattr(cli, "program", lambda: found)
    done = in_process("collector", "-o", "spo-collect", cwd=tmp_path)
    assert done.returncode == 1
    assert b"the collector is not static" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [None, b"", b"\x7fELF\x02\x01"])
def test_without_the_program_there_is_another_way(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "built"
    if content is not None:
        path.write_bytes(content)
    assert program(path) is None
    monkeypatch.setattr(cli, "program", lambda: program(path))
    done = in_process("collector", "-o", "spo-collect", cwd=tmp_path)
    assert done.returncode == 1
    assert b"installed without the collector" in done.stderr
    assert b"capture-script" in done.stderr


def test_the_program_is_not_printed(tmp_path: Path) -> None:
    assert in_process("collector", "-o", "-", cwd=tmp_path).returncode == 2
    assert in_process("collector", cwd=tmp_path).returncode == 2
