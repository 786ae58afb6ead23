# SPDX-License-Identifier: LGPL-2.1-or-later
"""The choice between memory and text: by the answer of the process that makes the plan."""

import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.memory.planner import Answer, Planner
from spo_trace.snapshots.method import Method
from spo_trace.sources import bare_python, memory_plan
from spo_trace.sources.memory_plan import Choice, check_method, choose_method, chosen, plan_in

ROOT = Path("/")


@pytest.fixture
def into(tmp_path: Path) -> Iterator[int]:
    """Return a private directory that is open."""
    (tmp_path / "into").mkdir(mode=0o700)
    fd = os.open(tmp_path / "into", os.O_RDONLY)
    yield fd
    os.close(fd)


def answers(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Let the process that makes the plan run a script; its arguments begin with the path of the packages."""
    monkeypatch.setattr(bare_python, "_START", script)
    monkeypatch.setattr(memory_plan, "PATH", Path("/bin/sh"))


@pytest.mark.parametrize(
    ("lines", "compared", "why"),
    [
        ("compared\n48", 48, None),
        ("not compared\n/d/page_owner cannot be read: Permission denied", None, "/d/page_owner cannot be read: Perm"),
    ],
)
@pytest.mark.parametrize("method", ["auto", "memory"])
def test_memory_is_read_by_the_plan(
    into: int, monkeypatch: pytest.MonkeyPatch, method: str, lines: str, compared: int | None, why: str | None
) -> None:
    answers(monkeypatch, f"import os, sys; os.write(int(sys.argv[2]), b'plan'); print({lines!r})")
    choice = choose_method(method, ROOT, into)
    assert (choice.method, choice.compared) == (Method.MEMORY, compared)
    assert choice.pid is not None
    assert (choice.why or "").startswith(why or "")
    # The plan is there for the collector, and the choice for the process that follows it.
    plan = plan_in(into, choice)
    assert plan is not None and Path(plan).read_bytes() == b"plan"
    assert chosen(into) == choice


REFUSALS = [
    ("print('different\\nPFN 0x1: pid')", "it does not agree with debugfs (PFN 0x1: pid)", "method='text'"),
    ("print('problem\\nno BPF here\\nread through debugfs')", "no BPF here", "read through debugfs"),
    ("raise SystemExit('a fault')", "where it keeps them was not found: a fault", "method='text'"),
    ("pass", "where it keeps them was not found: exit status 0", "method='text'"),
    ("print('surprise\\n\\n')", "it does not agree", "method='text'"),
]


@pytest.mark.parametrize(("script", "why", "hint"), REFUSALS)
def test_text_is_read_if_memory_is_no_good(
    into: int, monkeypatch: pytest.MonkeyPatch, script: str, why: str, hint: str
) -> None:
    answers(monkeypatch, script)
    choice = choose_method("auto", ROOT, into)
    assert choice.method is Method.TEXT
    assert choice.why is not None and why in choice.why
    assert chosen(into) == choice
    assert plan_in(into, choice) is None


@pytest.mark.parametrize(("script", "why", "hint"), REFUSALS)
def test_memory_alone_is_an_error_with_the_alternative(
    into: int, monkeypatch: pytest.MonkeyPatch, script: str, why: str, hint: str
) -> None:
    answers(monkeypatch, script)
    with pytest.raises(SpoTraceError, match="owners can't be read from memory") as caught:
        choose_method("memory", ROOT, into)
    assert why in caught.value.message
    assert caught.value.hint is not None and hint in caught.value.hint


def test_without_the_compiled_collector_text_is_read(
    into: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_plan, "PATH", tmp_path / "none")
    assert choose_method("auto", ROOT, into).why == "spo-trace was installed without the compiled collector"


def test_text_asks_nobody(into: int, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, "raise SystemExit")
    assert choose_method("text", ROOT, into) == Choice()


class FakePlanner(Planner):
    """Give an answer without looking at this machine."""

    def __init__(self, answer: Answer | Exception) -> None:
        super().__init__()
        self._answer = answer

    def plan(self, fd: int, page_owner: str) -> Answer:
        """Write a plan, and return the answer or raise it."""
        os.write(fd, page_owner.encode())
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_plan, "PATH", Path("/bin/sh"))


@pytest.mark.usefixtures("compiled")
def test_the_planner_of_a_series_is_asked_in_this_process(into: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
    choice = choose_method("auto", ROOT, into, FakePlanner(("compared", "48")))
    assert choice == Choice(Method.MEMORY, 48, pid=os.getpid())
    plan = plan_in(into, choice)
    assert plan is not None and Path(plan).read_text().endswith("/page_owner")


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (("problem", "no BPF here", ""), "no BPF here"),
        (("different", "PFN 0x1: pid"), "does not agree with debugfs (PFN 0x1: pid)"),
        (struct.error("unpack requires a buffer"), "where it keeps them was not found: unpack requires a buffer"),
        (OSError(5, "Input/output error"), "was not found: [Errno 5] Input/output error"),
    ],
)
def test_a_series_reads_text_if_its_planner_finds_nothing(into: int, answer: Answer | Exception, why: str) -> None:
    choice = choose_method("auto", ROOT, into, FakePlanner(answer))
    assert choice.method is Method.TEXT
    assert choice.why is not None and choice.why.endswith(why)


def test_a_tree_of_files_has_no_memory(into: int, tmp_path: Path) -> None:
    assert choose_method("auto", tmp_path, into) == Choice()
    with pytest.raises(SpoTraceError, match="is a tree of files"):
        choose_method("memory", tmp_path, into)


def test_an_unknown_method() -> None:
    with pytest.raises(UsageError, match="there is no method 'full'") as caught:
        check_method("full")
    assert caught.value.hint == "choose one of auto, memory, text"
