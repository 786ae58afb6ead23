# SPDX-License-Identifier: LGPL-2.1-or-later
"""Records out of kernel memory, compared with the text that the kernel printed before and after they were read."""

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from tests.oracle.captures import read

__all__ = ["Comparison", "compared"]

# How a record starts, and how its second line does.
KINDS = {"page_owner": (b"order ", b"\nPFN "), "swap_page_owner": (b"pid ", b"\nSWP entry ")}
# A line that no kernel prints.
PATH = re.compile(rb"Memory cgroup path: [^\n]*\n")
HANDLE = re.compile(rb"handle: (\d+)\n")
FLAGS = re.compile(rb" Flags 0x[0-9a-f]+\(([^)]*)\)")


class Comparison(NamedTuple):
    """Hold what a comparison found.

    `steady`: number of records that the kernel printed equally before and after. `equal`: those of them that were read
    from memory byte for byte. `differences`: number of the others, by what differs. `missing`: those of them that were
    not read. `unknown`: records that were read, and are in neither text, by number.
    """

    steady: int
    equal: int
    differences: Counter[str]
    missing: list[int]
    unknown: dict[int, bytes]


def compared(stage: Path, before: Path, after: Path, name: str) -> Comparison:
    """Compare the file `name` of three captures."""
    mine = records(with_stacks(stage, name), name)
    first, last = (records(read(capture, name), name) for capture in (before, after))
    steady = {number: record for number, record in first.items() if last.get(number) == record}
    missing = [number for number in steady if number not in mine]
    different = [number for number in steady if number in mine and mine[number] != steady[number]]
    return Comparison(
        steady=len(steady),
        equal=len(steady) - len(missing) - len(different),
        differences=Counter(difference(mine[number], steady[number]) for number in different),
        missing=missing,
        unknown={number: record for number, record in mine.items() if number not in first and number not in last},
    )


def records(text: bytes, name: str) -> dict[int, bytes]:
    """Return each record by its PFN or swap entry; tests/oracle/framed.py tells why no comm can fake one."""
    start, second_line = KINDS[name]
    _, *chunks = (b"\n" + PATH.sub(b"", text).removesuffix(b"\n")).split(b"\nPage allocated via " + start)
    return {int(chunk.rpartition(second_line)[2].split(None, 1)[0], 0): chunk for chunk in chunks}


def with_stacks(stage: Path, name: str) -> bytes:
    """Return a file's text with the stack of each handle in its place."""
    stacks = {}
    for record in read(stage, "show_stacks_handles").split(b"\n\n"):
        frames, _, handle = (record + b"\n").rpartition(b"handle: ")
        if handle.strip():
            stacks[int(handle)] = frames
    return HANDLE.sub(lambda match: stacks[int(match[1])], read(stage, name))


def difference(mine: bytes, kernel: bytes) -> str:
    """Return what differs: the names of the flags, or the part of the record."""
    flags = [set(FLAGS.findall(record)[-1].split(b"|")) for record in (mine, kernel) if FLAGS.search(record)]
    if len(flags) == 2 and FLAGS.sub(b"", mine) == FLAGS.sub(b"", kernel):
        return "flags: " + b"|".join(sorted(flags[0] ^ flags[1])).decode()
    pairs = zip(mine.split(b"\n"), kernel.split(b"\n"), strict=False)
    return next((f"{ours!r}, and not {theirs!r}" for ours, theirs in pairs if ours != theirs), "length")
