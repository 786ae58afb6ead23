# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commands that answer at once work without numpy, pandas and pyarrow."""

import subprocess
import sys

import pytest

from spo_trace.cli import COMMANDS

BLOCKED = ("numpy", "pandas", "pyarrow")

PROGRAM = f"""
import sys
sys.modules.update(dict.fromkeys({BLOCKED}))  # None: an import raises ModuleNotFoundError
from spo_trace import cli
sys.argv = ["spo-trace", *sys.argv[1:]]
cli.main()
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a Python that cannot import the blocked packages."""
    return subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in COMMANDS)], ids=" ".join)
def test_help(arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: spo-trace")


# The modules that define data classes compile them at each start.
def test_help_does_not_load_snapshots() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", PROGRAM, "--help"], capture_output=True, text=True, check=False
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "spo_trace.cli.output" in loaded
    assert "spo_trace.snapshots.meta" not in loaded


# A shell waits for it at each press of the Tab key.
@pytest.mark.parametrize("line", ["spo-trace rep", "spo-trace report --b"])
def test_completion(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"_SPO_TRACE_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == (["report"] if line.endswith("rep") else ["--by"])


def test_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("spo-trace ")


@pytest.mark.parametrize("format", ["text", "json"])
def test_doctor(format: str) -> None:
    done = run("doctor", "--format", format)
    assert done.returncode in (0, 1)
    assert "a bug in spo-trace" not in done.stderr
    assert done.stdout.startswith("snapshot and watch:" if format == "text" else "{")


def test_the_packages_are_blocked() -> None:
    done = run("report", "x.spo")
    assert done.returncode == 1
    assert "a bug in spo-trace: ModuleNotFoundError" in done.stderr
