# SPDX-License-Identifier: LGPL-2.1-or-later
"""The choice between page_owner's text and kernel memory, and the plan for the latter.

This module and what it imports take little memory: while the kernel is read, nothing else is loaded.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from spo_trace.errors import Argument, SpoTraceError, Text, UsageError
from spo_trace.machine.facts import Machine
from spo_trace.memory.problem import DAMAGE
from spo_trace.native.collector import PATH
from spo_trace.snapshots.method import Method
from spo_trace.sources.bare_python import bare_python

if TYPE_CHECKING:
    from spo_trace.memory.planner import Planner

__all__ = ["LIVE_METHODS", "Choice", "can_read_memory", "check_method", "choose_method", "chosen", "plan_in"]

LIVE_METHODS = ("auto", "memory", "text")

# Files in the directory of a reading.
_PLAN, _CHOICE = "plan", "choice.json"

_USE_TEXT = ("read through debugfs: ", Argument("method", "text"))


class Choice(NamedTuple):
    """Hold how owners are read.

    `compared`: number of records that debugfs and memory have alike, None if they were not compared. `why`: why not, or
    why text is read although memory was to be preferred. `pid`: of the process that made the choice.
    """

    method: Method = Method.TEXT
    compared: int | None = None
    why: str | None = None
    pid: int | None = None


class _Refused(NamedTuple):
    why: str
    hint: Text


def check_method(method: str) -> None:
    """Raise UsageError if there is no such method of reading this machine."""
    if method not in LIVE_METHODS:
        raise UsageError(f"there is no method {method!r}", hint=f"choose one of {', '.join(LIVE_METHODS)}")


def choose_method(method: str, root: Path, directory: int, planner: "Planner | None" = None) -> Choice:
    """Choose how to read this machine, and write the plan to the open directory `directory` if memory is to be read.

    `auto` chooses memory if it agrees with debugfs, or if debugfs cannot be read. With `memory`, raise SpoTraceError,
    with the alternative, if memory cannot be read or does not agree with debugfs. A `root` other than / has no memory.
    `planner`: of a series; by default, the plan is made in a process that has ended before this function returns.
    """
    found: Choice | _Refused = Choice()
    if method == "memory" or (method == "auto" and root == Path("/")):
        found = _planned(root, directory, planner)
    if isinstance(found, _Refused):
        if method == "memory":
            raise SpoTraceError(f"owners can't be read from memory: {found.why}", hint=found.hint)
        found = Choice(why=found.why)
    fd = os.open(_CHOICE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=directory)
    with os.fdopen(fd, "w") as file:
        json.dump(found, file)
    return found


def can_read_memory() -> bool:
    """Return whether this machine's owners can be read from memory; if debugfs has them, whether they agree."""
    fd = os.memfd_create("plan")
    try:
        return isinstance(_planned_into(fd, None), Choice)
    finally:
        os.close(fd)


def chosen(directory: int) -> Choice:
    """Return the choice that an earlier process made in this directory."""
    with os.fdopen(os.open(_CHOICE, os.O_RDONLY, dir_fd=directory)) as file:
        method, *rest = json.load(file)
    return Choice(Method(method), *rest)


def plan_in(directory: int, choice: Choice) -> str | None:
    """Return the path of the plan in an open directory for processes that inherit it, None to read text."""
    return f"/proc/self/fd/{directory}/{_PLAN}" if choice.method is Method.MEMORY else None


def _planned(root: Path, directory: int, planner: "Planner | None") -> Choice | _Refused:
    if root != Path("/"):
        return _Refused(f"{root} is a tree of files", _USE_TEXT)
    fd = os.open(_PLAN, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=directory)
    try:
        return _planned_into(fd, planner)
    finally:
        os.close(fd)


def _planned_into(fd: int, planner: "Planner | None") -> Choice | _Refused:
    if not os.access(PATH, os.X_OK):
        hint = ("install a C compiler, then spo-trace again; or ", *_USE_TEXT)
        return _Refused("spo-trace was installed without the compiled collector", hint)
    page_owner = f"/{Machine().debugfs}/page_owner"
    if planner:
        return _planned_here(fd, planner, page_owner)
    try:
        return _asked(fd, page_owner)
    except OSError as error:
        return _Refused(f"{sys.executable} cannot be run: {error.strerror}", _USE_TEXT)


def _planned_here(fd: int, planner: "Planner", page_owner: str) -> Choice | _Refused:
    try:
        return _understood(planner.plan(fd, page_owner), os.getpid())
    except (OSError, *DAMAGE) as error:
        return _Refused(f"where it keeps them was not found: {error}", _USE_TEXT)


def _asked(fd: int, page_owner: str) -> Choice | _Refused:
    command = [*bare_python("spo_trace.memory.planner"), str(fd), page_owner]
    with subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(fd,),
        env={"LC_ALL": "C"},
    ) as process:
        try:
            answer, said = process.communicate()
        except BaseException:
            process.kill()
            raise
    lines = os.fsdecode(answer).splitlines()
    if process.returncode or len(lines) < 2:
        last = os.fsdecode(said).splitlines()[-1:] or [f"exit status {process.returncode}"]
        return _Refused(f"where it keeps them was not found: {last[0]}", _USE_TEXT)
    return _understood(lines, process.pid)


# See memory/planner.py.
def _understood(lines: Sequence[str], pid: int) -> Choice | _Refused:
    match lines:
        case ["compared", number]:
            return Choice(Method.MEMORY, int(number), pid=pid)
        case ["not compared", why]:
            return Choice(Method.MEMORY, None, why, pid)
        case ["problem", why, hint]:
            return _Refused(why, hint or _USE_TEXT)
        case [_, difference, *_]:
            return _Refused(f"it does not agree with debugfs ({difference})", _USE_TEXT)
        case _:
            return _Refused("no answer", _USE_TEXT)
