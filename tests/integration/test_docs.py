# SPDX-License-Identifier: LGPL-2.1-or-later
"""The documents tell the truth: the README's tour prints what it shows, SCHEMA.md has every column."""

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from spo_trace import schema
from spo_trace.cli import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SCHEMA = (ROOT / "spo_trace/snapshots/SCHEMA.md").read_text()
BIN = Path(sys.executable).parent

# How large a Parquet file gets depends on pyarrow's version.
FILE_SIZE = re.compile(r", [\d.]+ [KM]iB$")


def tour() -> list[tuple[str, list[str]]]:
    """Return the commands of the README's console blocks, each with the lines that it is shown to print."""
    steps: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append((line.removeprefix("$ "), []))
            elif line != "…":
                steps[-1][1].append(line)
    return steps


def shell(script: str, directory: Path) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(directory), "LC_ALL": "C.UTF-8"}
    return subprocess.run(["sh", "-c", script], cwd=directory, env=environment, capture_output=True, text=True)


@pytest.mark.xdist_group("readme")
def test_the_readmes_tour_prints_what_it_shows(tmp_path: Path) -> None:
    # GIVEN the tour, started where it says
    steps = tour()
    assert steps[0][0] == "cd fixtures/captures/7.2-spo" and len(steps) > 8
    where = ROOT / "fixtures/captures/7.2-spo"
    for command, shown in steps[1:]:
        # WHEN a command is run as it stands (its snapshots elsewhere, and without a tool that is not ours)
        ours = command.partition(" | ")[0].replace("/tmp/", f"{tmp_path}/")
        result = shell(f"cd {where} && {ours} 2>&1", tmp_path)
        printed = [FILE_SIZE.sub("", line) for line in result.stdout.replace(f"{tmp_path}/", "/tmp/").splitlines()]
        # THEN it prints every line that is shown
        assert result.returncode == 0, result.stdout
        for line in shown:
            assert FILE_SIZE.sub("", line) in printed, (command, result.stdout)


def test_the_one_line_of_shell_captures_what_there_is(tmp_path: Path) -> None:
    # GIVEN the line for machines without Python
    line = next(line for line in README.splitlines() if line.startswith("(umask 077"))
    # WHEN it runs on this machine, which may or may not have page_owner
    result = shell(line, tmp_path)
    # THEN the archive has the /proc files, and says why it lacks others
    assert result.returncode == 0, result.stderr
    with tarfile.open(tmp_path / "capture.tar.gz") as archive:
        names = set(archive.getnames())
    assert {"capture/meminfo", "capture/meminfo-after", "capture/uname", "capture/date", "capture/pagesize"} <= names
    assert {"capture/page_owner", "capture/page_owner.err"} & names


@pytest.mark.parametrize("name", schema.TABLES)
def test_every_column_is_documented(name: str) -> None:
    rows = re.search(rf"## {name}\.parquet:.*?\n\n(.*?)\n\n", SCHEMA, re.DOTALL)
    assert rows
    documented = re.findall(r"^\| (\w+) \|", rows[1], re.MULTILINE)[1:]
    assert documented == schema.TABLES[name].names


def test_the_current_schema_version_is_documented() -> None:
    assert re.search(rf"^\| {schema.SCHEMA_VERSION} \|", SCHEMA, re.MULTILINE)


def test_every_command_is_in_the_readme() -> None:
    for command in app.registered_commands:
        assert re.search(rf"\b{command.name}\b", README), command.name
