# SPDX-License-Identifier: LGPL-2.1-or-later
"""The file `processes` of a capture: for each process lines as of /proc/PID/status, and an empty line."""

import re
from itertools import islice
from typing import NamedTuple

from spo_trace.formats.escape import escape
from spo_trace.limits import MAX_PROCESSES

__all__ = ["FILE", "Process", "parse_processes"]

FILE = "processes"

_PROCESS = re.compile(rb"^Pid:\t(\d{1,9})\n((?:[A-Z]\w*:.*\n)*)", re.MULTILINE)
_KTHREADD = re.compile(rb"^Pid:\t2\nName:\tkthreadd$", re.MULTILINE)
_NAME = re.compile(rb"^Name:\t(.*)$", re.MULTILINE)
_START_TIME = re.compile(rb"^StartTime:\t(\d{1,15})$", re.MULTILINE)
_SWAP = re.compile(rb"^VmSwap:[\t ]*(\d{1,12}) kB$", re.MULTILINE)
_SWAP_SHARE = re.compile(rb"^SwapPss:[\t ]*(\d{1,12}) kB$", re.MULTILINE)
_ESCAPED = re.compile(rb"\\([n\\])")


class Process(NamedTuple):
    """Hold what is known of a process: `started` in clock ticks since boot, amounts in bytes, names escaped.

    `swap`: VmSwap, None of kernel threads; processes that share swap after fork(2) each have it. `swap_share`: SwapPss,
    in which a shared page is divided among them.
    """

    pid: int
    comm: str
    started: int | None
    swap: int | None
    swap_share: int | None


def parse_processes(text: bytes) -> list[Process]:
    """Return the processes of a text.

    Empty if there are more than MAX_PROCESSES, and if the list is of a PID namespace: it does not have the numbers that
    page_owner prints, and no kthreadd, which is process 2.
    """
    found = list(islice(_PROCESS.finditer(text), MAX_PROCESSES + 1))
    if len(found) > MAX_PROCESSES or not _KTHREADD.search(text):
        return []
    return [_process(int(match[1]), match[2]) for match in found]


def _process(pid: int, lines: bytes) -> Process:
    name = _NAME.search(lines)
    swap, share = _kib(_SWAP, lines), _kib(_SWAP_SHARE, lines)
    started = _START_TIME.search(lines)
    return Process(
        pid, _comm(name[1] if name else b""), int(started[1]) if started else None, swap, share if swap else None
    )


# proc_task_name(), fs/proc/array.c: newlines and backslashes are escaped, other bytes are as they are.
def _comm(name: bytes) -> str:
    return escape(_ESCAPED.sub(lambda match: b"\n" if match[1] == b"n" else b"\\", name))


def _kib(pattern: re.Pattern[bytes], lines: bytes) -> int | None:
    match = pattern.search(lines)
    return int(match[1]) * 1024 if match else None
