# SPDX-License-Identifier: LGPL-2.1-or-later
"""The measured commands, and the check of each one's result."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.bench.answers import Truth, diff_answer, peer_comm_answer, peer_stack_answer, report_answer, snapshot_answer
from tests.oracle import peer
from tests.oracle.compare import spo_trace

__all__ = ["BASELINE", "Tool", "tools"]

BASELINE = "page_owner_sort -m --cull=stacktrace"

Command = list[str | Path]

_ALL = ("--top", "0", "--format", "json")


class Tool(NamedTuple):
    """One command; `answer` checks its result after a run, given the file with its standard output.

    `part`: it does a part of the work, so that its throughput means nothing.
    """

    name: str
    command: Command
    answer: Callable[[Path], str]
    one_processor: bool = False
    part: bool = False


def tools(text: Path, truth: Truth, directory: Path, *, with_peer: bool) -> list[Tool]:
    """Return the commands for a text, in the order of each round; they write to `directory`."""
    peers = [_peer("stacktrace", text, truth, directory), _peer("name", text, truth, directory)] if with_peer else []
    return [*_from_text(text, truth, directory), *_from_snapshots(truth, directory), *peers, *_limits(text, directory)]


def _from_text(text: Path, truth: Truth, directory: Path) -> list[Tool]:
    by_stack: Command = [spo_trace(), "report", text, "--by", "stack", *_ALL]
    return [
        _snapshot(text, truth, directory, 1),
        _snapshot(text, truth, directory, 2),
        Tool(
            "spo-trace report --by stack TEXT (one processor)",
            by_stack,
            lambda out: report_answer(out.read_text("utf-8"), "stack", truth),
            one_processor=True,
        ),
    ]


def _snapshot(text: Path, truth: Truth, directory: Path, jobs: int) -> Tool:
    target = directory / f"{jobs}.spo"
    command: Command = [
        spo_trace(),
        "snapshot",
        "--from",
        text,
        "--from",
        _uname(directory),
        "-o",
        target,
        "--force",
        "--jobs",
        str(jobs),
    ]
    return Tool(
        f"spo-trace snapshot --jobs {jobs}",
        command,
        lambda _: snapshot_answer(_report(target, "comm"), _report(target, "stack"), truth),
    )


# Stacks are compared with offsets only if both snapshots contain the same kernel version.
def _uname(directory: Path) -> Path:
    path = directory / "uname"
    path.write_text("Linux bench 7.2.0 #1 SMP x86_64 GNU/Linux\n", "utf-8")
    return path


def _report(target: Path, by: str) -> str:
    command: Command = [spo_trace(), "report", target, "--by", by, *_ALL]
    return subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout


def _from_snapshots(truth: Truth, directory: Path) -> list[Tool]:
    one, two = directory / "1.spo", directory / "2.spo"
    reports = [
        Tool(f"spo-trace report --by {by} SNAPSHOT", [spo_trace(), "report", one, "--by", by, *_ALL], _judge(by, truth))
        for by in ("comm", "stack")
    ]
    difference = Tool(
        "spo-trace diff --by stack A B",
        [spo_trace(), "diff", one, two, "--by", "stack", *_ALL],
        lambda out: diff_answer(out.read_text("utf-8"), truth),
    )
    return [*reports, difference]


def _judge(by: str, truth: Truth) -> Callable[[Path], str]:
    return lambda out: report_answer(out.read_text("utf-8"), by, truth)


def _peer(cull: str, text: Path, truth: Truth, directory: Path) -> Tool:
    groups = directory / f"page_owner_sort.{cull}"
    judge = peer_stack_answer if cull == "stacktrace" else peer_comm_answer
    return Tool(
        f"page_owner_sort -m --cull={cull}",
        [peer.BINARY, "-m", f"--cull={cull}", text, groups],
        lambda _: judge(groups.read_text("utf-8"), truth),
    )


# What no reader of the text can be faster than, and what writing a snapshot takes at least.
def _limits(text: Path, directory: Path) -> list[Tool]:
    cats = [Tool(f"{' '.join(command)} TEXT", [*command, text], lambda _: "–") for command in (["wc", "-l"], ["cat"])]
    first = directory / "first"
    with text.open("rb") as file:
        first.write_bytes(file.read(1 << 14).rpartition(b"\n\n")[0] + b"\n\n")
    start: Command = [spo_trace(), "snapshot", "--from", first, "-o", directory / "first.spo", "--force"]
    encode: Command = [sys.executable, "-m", "tests.bench.encode", directory / "1.spo" / "pages.parquet"]
    return [
        *cats,
        Tool("spo-trace snapshot of 16 KiB", start, lambda _: "–", part=True),
        Tool(
            "pyarrow: the pages written again",
            encode,
            lambda out: f"writing alone: {out.read_text().strip()} CPU s",
            part=True,
        ),
    ]
