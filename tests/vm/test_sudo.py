# SPDX-License-Identifier: LGPL-2.1-or-later
"""The documents' root steps, run through sudo by another user: they work, and the user can continue without root."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from shutil import which
from typing import NamedTuple

import pytest

from tests.vm.support import Guest, boot

pytestmark = pytest.mark.vm

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CI = ROOT / "docs" / "in-ci.md"
JOBS = Path(__file__).parent / "jobs"

# A line of a shell block or a step of a workflow that starts with sudo, or a command in the text.
BLOCK = re.compile(r"^ *(?:- run: |\$ )?(sudo spo-trace [^#&>|\n]*)", re.MULTILINE)
INLINE = re.compile(r"`(sudo spo-trace [^`]*)`")
# Each of these compiles the probes again; test_trace.py covers events, and one trace is run here.
EVENTS = re.compile(r"sudo spo-trace trace \d")


def root_steps(text: str) -> set[str]:
    """Return the distinct commands with sudo in a document."""
    return {step.strip() for step in [*BLOCK.findall(text), *INLINE.findall(text)]}


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced blocks of a document in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def all_steps() -> list[str]:
    """Return the root steps of all documents except docs/in-ci.md, which is run as a whole.

    Steps that differ only in the name of the output are included once.
    """
    ci = root_steps(CI.read_text())
    steps = {step for document in DOCUMENTS for step in root_steps(document.read_text())}
    wanted = sorted((step for step in steps - ci if not EVENTS.match(step)), reverse=True)
    return sorted({re.sub(r" -o \S+", "", step): step for step in wanted}.values())


def endless(step: str) -> str | None:
    """Return a shell condition that is true when a command that ends with Ctrl-C has done its work; None for others.

    Its output is in the file `log`.
    """
    words = shlex.split(step)
    if words[2] == "trace":
        return "grep -q '^Attached' log"
    if "--listen" in words:
        return "grep -q '^Serving' log"
    if words[2] != "watch" or "--count" in words:
        return None
    if "--record" in words:
        return f"[ -e {words[words.index('--record') + 1]}/000001.parquet ]"
    return "[ $(wc -l < log) -gt 3 ]"


def user_script() -> Iterator[str]:
    """Yield the lines of the user's script, with the steps of each document unchanged."""
    probed = [step for step in all_steps() if "--swap bpf" in step]
    for step in all_steps():
        if step in probed:
            continue
        if (ready := endless(step)) is None:
            yield f"step {shlex.quote(step)}"
            continue
        # In a separate directory, because documents reuse names; once, although they start a trace in several ways.
        meanwhile = ["mkdir traced", "cd traced", *(f"step {shlex.quote(each)}" for each in probed), "cd .."]
        more = "; ".join(meanwhile) if step == "sudo spo-trace trace" else ":"
        yield f"until_ctrl_c {shlex.quote(step)} {shlex.quote(ready)} {shlex.quote(more)}"
    yield "mkdir ci; cd ci; printf '#!/bin/sh\\nsleep 1\\n' > run-the-load; chmod +x run-the-load"
    # Four seconds of samples suffice here instead of twenty minutes.
    (recipe,) = [block for block in blocks(CI.read_text(), "sh") if "sudo spo-trace watch" in block]
    assert "-n 30 --count 40" in recipe
    yield f"step {shlex.quote(recipe.replace('-n 30 --count 40', '-n 1 --count 4'))}"
    (workflow,) = blocks(CI.read_text(), "yaml")
    installing, *steps = re.findall(r"^- run: (.*)", workflow, re.MULTILINE)
    # It is installed already: the job has created the link.
    assert installing.startswith("sudo make ")
    yield from (f"step {shlex.quote(step)}" for step in steps)


# Functions of the user's shell. `until_ctrl_c STEP READY MEANWHILE`: run a command until READY is true, run MEANWHILE,
# then press Ctrl-C.
USER = r"""
set -m
cd ~
export GITHUB_STEP_SUMMARY=$HOME/summary.md
step() { echo "== $1"; bash -c "$1"; echo "exit $?"; }
until_ctrl_c() {
    local process code
    bash -c "exec $1" > log 2>&1 &
    process=$!
    until eval "$2" || [ ! -e /proc/$process ]; do sleep 1; done
    eval "$3"
    sudo bash -c 'kill -INT $(pgrep -x spo-trace)'
    wait $process; code=$?
    echo "== $1"
    cat log
    echo "exit $code"
}
"""

# The user's steps without root afterwards, and the resulting files.
AFTERWARDS = r"""
cd ~
step 'spo-trace report now.spo --top 3'
step 'spo-trace diff ci/before.spo ci/after.spo --top 3 -o growth.csv --html growth.html'
step 'spo-trace trend ci/leak-test --top 3'
step 'sudo spo-trace report now.spo --by category -o categories.csv --html now.html'
step 'sudo spo-trace export now.spo -o now.pb.gz'
step 'cat categories.csv now.html now.pb.gz > /dev/null'
"""


# Files that the user's shell creates.
BY_HAND = {"log", "ci", "traced", "ci/run-the-load", "ci/leak-test.log", "summary.md"}


def is_output(name: str) -> bool:
    """Return whether spo-trace created a file on request, not the shell or the cache of a library (.cache)."""
    return name not in BY_HAND and not name.startswith(".")


class Step(NamedTuple):
    """A step's output and exit status."""

    printed: str
    status: int


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Guest:
    if which("sudo") is None:
        pytest.skip("there is no sudo on this host: apt install sudo")
    out = tmp_path_factory.mktemp("sudo")
    (out / "user.sh").write_text("\n".join([USER, *user_script(), AFTERWARDS]))
    job = (JOBS / "sudo.sh").read_text()
    return boot("7.2-spo", "page_owner=on,swap", job, out, memory_mib=800, headers=True)


@pytest.fixture(scope="module")
def steps(guest: Guest) -> dict[str, Step]:
    found = re.findall(r"^== (.*?)\n(.*?)^exit (\d+)$", guest.log, re.MULTILINE | re.DOTALL)
    return {command.split("\n")[0]: Step(printed, int(status)) for command, printed, status in found}


def test_every_root_step_of_the_documents_works_through_sudo(steps: dict[str, Step]) -> None:
    assert {"sudo spo-trace doctor", "sudo spo-trace snapshot -o now.spo", "sudo spo-trace trace"} <= set(all_steps())
    assert set(all_steps()) <= set(steps)
    for name, step in steps.items():
        # A gate may report growth of this small machine, which is not a failure.
        # The output of a step with several lines includes the other lines.
        gate = "--fail-above" in name + step.printed
        assert step.status in ((0, 3) if gate else (0,)), (name, step.printed)
        # A file in a directory of the system does, and the user is told so.
        assert ("belongs to root" in step.printed) == (" -o /var/lib/" in name), (name, step.printed)


def test_the_user_continues_without_root(steps: dict[str, Step]) -> None:
    assert "Total: " in steps["spo-trace report now.spo --top 3"].printed
    assert "samples of one boot" in steps["spo-trace trend ci/leak-test --top 3"].printed


def test_all_files_belong_to_the_user_and_are_private(guest: Guest) -> None:
    lines = (guest.out / "files").read_text().splitlines()
    made = {name: (user, group, mode) for user, group, mode, name in (line.split(" ", 3) for line in lines)}
    ours = {name: whose for name, whose in made.items() if is_output(name)}
    for name in ("now.spo/pages.parquet", "day/000001.parquet", "minutes/series.json", "traced/now.spo/swap.parquet"):
        assert name in ours
    for name in ("ci/leak-test/000004.parquet", "ci/leak-test.svg", "ci/after.spo/snapshot.json", "growth.html"):
        assert name in ours
    for name in ("now.html", "categories.csv", "now.pb.gz"):
        assert name in ours
    directories = {name for name in ours if name.endswith((".spo", "day", "minutes", "leak-test"))}
    for name, whose in ours.items():
        assert whose == ("alice", "alice", "700" if name in directories else "600"), name


def test_other_users_cannot_read_them(guest: Guest) -> None:
    readable = set((guest.out / "readable").read_text().splitlines())
    # The check itself detects files that others can read.
    assert "ci/run-the-load" in readable
    assert [name for name in readable if is_output(name)] == []


def test_roots_cache_belongs_to_root(guest: Guest) -> None:
    assert set((guest.out / "cache").read_text().split()) <= {"root"}
