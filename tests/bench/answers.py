# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks of tools' output: pages of each comm and stack compared with those that the generator counted."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.generate import stack_hash, truth_path

__all__ = ["Truth", "diff_answer", "peer_comm_answer", "peer_stack_answer", "report_answer", "snapshot_answer"]

_PAGE_SIZE = 4096


class Truth(NamedTuple):
    """Base pages by comm, and by the hash of each stack."""

    comm: dict[str, int]
    stack: dict[str, int]
    bytes: int

    @classmethod
    def of(cls, text: Path) -> "Truth":
        """Return the counts that the generator wrote for a text."""
        truth = json.loads(truth_path(text).read_bytes())
        return cls(truth["comms"], truth["stacks"], truth["bytes"])


def report_answer(rows: str, by: str, truth: Truth) -> str:
    """Check the JSON of `spo-trace report --by comm` or `--by stack`."""
    return _verdict({row[by]: row["mem_pages"] for row in json.loads(rows)}, by, truth)


def diff_answer(rows: str, truth: Truth) -> str:
    """Check the JSON of `spo-trace diff --by stack` of two snapshots of one text."""
    table: list[dict[str, Any]] = json.loads(rows)
    grown = sum(row["total_bytes_delta"] != 0 for row in table)
    if grown:
        return f"no: {grown:,} stacks differ"
    return _verdict({row["stack"]: row["mem_bytes_b"] // _PAGE_SIZE for row in table}, "stack", truth)


def snapshot_answer(by_comm: str, by_stack: str, truth: Truth) -> str:
    """Check a snapshot by both reports on it."""
    answers = report_answer(by_comm, "comm", truth), report_answer(by_stack, "stack", truth)
    return next((answer for answer in answers if answer != "yes"), "yes")


def peer_comm_answer(output: str, truth: Truth) -> str:
    """Check the output of `page_owner_sort -m --cull=name`."""
    rows = re.findall(r"^\d+ times, (\d+) pages, task_comm_name: (.*)$", output, re.MULTILINE)
    return _verdict({comm: int(pages) for pages, comm in rows}, "comm", truth, groups=len(rows))


def peer_stack_answer(output: str, truth: Truth) -> str:
    """Check the output of `page_owner_sort -m --cull=stacktrace`: its groups, and their sums by stack."""
    pages: Counter[str] = Counter()
    groups = re.split(r"^\d+ times, (?=\d+ pages:$)", output, flags=re.MULTILINE)[1:]
    for group in groups:
        first, *lines = group.split("\n")
        pages[";".join(line[1:] for line in lines if line.startswith(" "))] += int(first.split()[0])
    return _verdict(pages, "stack", truth, groups=len(groups))


def _verdict(pages: Mapping[str, int], by: str, truth: Truth, *, groups: int | None = None) -> str:
    expected = truth.comm if by == "comm" else truth.stack
    said = {stack_hash(name): count for name, count in pages.items()} if by == "stack" else dict(pages)
    wrong = sum(said.get(name) != expected.get(name) for name in {*said, *expected})
    if wrong:
        return f"no: {wrong:,} of {len(expected):,} {by}s"
    if groups is not None and groups != len(expected):
        return f"no: {groups:,} groups for {len(expected):,} {by}s; their sums are right"
    return "yes"
