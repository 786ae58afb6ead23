# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Makefile: each target installs what it needs, prints it, and repeats a pip that failed."""

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUB = Path(__file__).with_name("stub_python.sh")
MAKEFILE = (ROOT / "Makefile").read_text()
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

# The extras that a target installs into .venv; the other targets do not create a .venv.
NEEDS = {
    "bench": [],
    "bench-fleet": ["test"],
    "cross-wheel": ["test"],
    "demo": [],
    "docs": [],
    "fuzz": ["fuzz"],
    "lint": ["dev"],
    "meaning-check": [],
    "notebooks": ["notebooks"],
    "pictures": ["test"],
    "platforms": [],
    "rfc-experiment": [],
    "test": ["test"],
    "test-spark": ["test", "spark"],
    "vm-bench": [],
    "vm-fresh": [],
    "vm-test": ["test"],
    "vm-userland": [],
}

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


def make(*arguments: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(
        command, cwd=cwd, env={**environment, **(env or {})}, capture_output=True, text=True, timeout=60, check=False
    )


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))


def test_help_lists_every_target() -> None:
    listed = re.findall(r"^  ([a-z-]+) +\S.*$", make("help").stdout, re.MULTILINE)
    # The parts of test-versions.
    listed += ["test-highest", "test-lowest"]
    assert (
        set(MAKEFILE.partition(".PHONY:")[2].partition("\n\n")[0].replace("\\", "").split()) == targets() == set(listed)
    )
    # `make` without a target does the same.
    assert make().stdout == make("help").stdout


def test_a_target_installs_what_it_needs_and_no_more(tmp_path: Path) -> None:
    # GIVEN no .venv, WHEN make is asked what it would do, THEN pip is asked for these extras
    for target in sorted(targets()):
        done = make("--dry-run", target, f"VENV={tmp_path}/.venv", f"VERSIONS={tmp_path}/versions")
        assert done.returncode == 0, done.stderr
        extras = re.findall(rf"{tmp_path}/\.venv/bin/python -m pip install.* --editable '\.\[(\w+)\]'", done.stdout)
        assert extras == NEEDS.get(target, []), target
        assert set(extras) <= set(EXTRAS)
        assert (f"{tmp_path}/.venv/bin/python -m pip install" in done.stdout) == (target in NEEDS), target


def test_tools_for_developers_are_no_dependencies() -> None:
    runtime = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    # Every user has to download these.
    assert {re.split(r"[<>=!~; ]", line)[0] for line in runtime} == {
        "backports.zstd", "lz4", "numpy", "pandas", "pure-protobuf", "pyarrow", "rich", "typer",
    }  # fmt: skip


@pytest.mark.parametrize("stamp", [".ready", ".extra-dev"])
def test_a_pip_that_fails_leaves_no_stamp(tmp_path: Path, stamp: str) -> None:
    # GIVEN a pip that fails
    venv, log = tmp_path / ".venv", tmp_path / "pip.log"
    arguments = (str(venv / stamp), f"VENV={venv}", f"PYTHON={STUB}")
    if stamp != ".ready":
        assert make(str(venv / ".ready"), *arguments[1:], env={"STUB_LOG": str(log)}).returncode == 0
    # WHEN a target needs it
    done = make(*arguments, env={"STUB_LOG": str(log), "STUB_FAILS": "pip"})
    # THEN make stops with a hint, and tries again the next time, until pip succeeds
    assert done.returncode != 0
    assert "pip failed; is the network reachable?" in done.stderr
    assert not (venv / stamp).exists()
    again = make(*arguments, env={"STUB_LOG": str(log)})
    assert again.returncode == 0, again.stderr
    assert re.fullmatch(r"Installing .* into \S+/\.venv.*\n", again.stdout)
    assert (venv / stamp).exists()
    assert "up to date" in make(*arguments, env={"STUB_LOG": str(log)}).stdout


def test_a_python_that_is_too_old_is_refused(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\necho \"$2\" | grep -q 'version_info >= (3, 11)' && exit 1\n")
    old.chmod(0o755)
    assert make(str(tmp_path / ".venv/.ready"), f"VENV={tmp_path}/.venv", f"PYTHON={old}").returncode != 0
    assert not (tmp_path / ".venv").exists()
