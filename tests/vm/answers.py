# SPDX-License-Identifier: LGPL-2.1-or-later
"""Comparison of the owners of swap according to the kernel and according to the probes."""

import re
from collections import Counter
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

import spo_trace as spo
from tests.oracle.framed import escape

__all__ = ["Owner", "compared", "kind", "printed", "snapped"]

# pid, tgid, comm, ts_nsec and stack.
Owner = tuple[int, int, str, int, str]

_HEAD = re.compile(rb"pid (-?\d+), tgid (-?\d+) \((.*)\), ts (\d+) ns", re.DOTALL)


def printed(path: Path) -> dict[int, Owner]:
    """Return the owner of each entry of a text in the format of swap_page_owner."""
    _, *chunks = (b"\n" + path.read_bytes()).split(b"\nPage allocated via ")
    return dict(map(_owner, chunks))


def _owner(chunk: bytes) -> tuple[int, Owner]:
    head, _, body = chunk.rpartition(b"\nSWP entry ")
    entry, *frames = body.decode().split("\n")
    match = _HEAD.fullmatch(head)
    assert match is not None
    pid, tgid, comm, ts = match.groups()
    stack = ";".join(frame.strip() for frame in frames if frame)
    return int(entry, 16), (int(pid), int(tgid), escape(comm), int(ts), stack)


def snapped(path: Path) -> dict[int, Owner]:
    """Return the owner of each entry of a snapshot."""
    snap = spo.open(path)
    stacks = [";".join(frames) for frames in snap.stacks["frames"]]
    swap = snap.swap
    rows = zip(swap["pid"], swap["tgid"], swap["comm"], swap["ts_nsec"], swap["stack_id"], strict=True)
    said = [(int(pid), int(tgid), str(comm), int(ts), stacks[number]) for pid, tgid, comm, ts, number in rows]
    return dict(zip(map(int, swap["swp_entry"]), said, strict=True))


def compared(stage: Path, first: Mapping[int, Owner]) -> Counter[str]:
    """Count how two answers of the probes (the `first` is given) and two of the kernel, in turn, relate."""
    answers = [first, *(printed(stage / name) for name in ("kernel-1", "probes-2", "kernel-2"))]
    entries = {entry for said in answers for entry in said}
    kinds = Counter(kind([said.get(entry) for said in answers]) for entry in entries)
    print(f"{stage.name}: {dict(kinds)}")
    return kinds


KINDS = {
    "x": "the same",
    "-x": "written meanwhile",
    "x-": "freed meanwhile",
    "-x-": "written and freed meanwhile",
}


def kind(answers: list[Owner | None]) -> str:
    """Return what happened to an entry between successive answers of either side.

    In these tests, a page is swapped out only once, so an owner that vanished does not reappear. If one does, or if the
    probes and the kernel keep reporting different owners, they disagree.
    """
    states = [answer for answer, _ in groupby(answers)]
    owners = [owner for owner in states if owner]
    if len(owners) > len(set(owners)):
        return "unexplained"
    return KINDS.get("".join("x" if owner else "-" for owner in states), "used anew meanwhile")
