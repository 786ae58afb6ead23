# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks of what snapshots and probes need from this machine."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from spo_trace.formats.missing import Missing
from spo_trace.machine.check import Check, CheckCode, State, Topic
from spo_trace.machine.facts import Machine
from spo_trace.machine.needs import snapshot_needs
from spo_trace.native import library
from spo_trace.native.collector import program
from spo_trace.probes.needs import trace_needs
from spo_trace.sources.memory_plan import can_read_memory

__all__ = ["check_for_snapshot", "check_for_trace"]

_NO_SCANNER = "there is no compiled scanner: parsing takes ten times as long"
_NO_COLLECTOR = "there is no compiled collector: reading this machine takes 10 MiB more"

# Causes for which debugfs cannot be read, but memory may.
_NO_DEBUGFS = {Missing.DEBUGFS_OFF, Missing.LOCKDOWN, Missing.NOT_MOUNTED, Missing.NO_DEBUGFS, Missing.PERMISSION}
_INSTEAD = "; owners are read from memory instead"


def check_for_snapshot(root: Path = Path("/"), *, euid: int | None = None) -> Iterator[Check]:
    """Yield a check for each thing that a snapshot of the machine at `root` needs."""
    checks = list(snapshot_needs(Machine(root, euid=euid)))
    if root == Path("/") and _only_debugfs_is_missing(checks) and can_read_memory():
        checks = [_from_memory(check) for check in checks]
    yield from checks
    yield _check_compiled()


def _only_debugfs_is_missing(checks: Iterable[Check]) -> bool:
    causes = {check.cause for check in checks if check.state is State.MISSING}
    return bool(causes) and causes <= _NO_DEBUGFS


def _from_memory(check: Check) -> Check:
    if check.code not in (CheckCode.DEBUGFS, CheckCode.PAGE_OWNER) or check.state is State.OK:
        return check
    return check._replace(state=State.OK, found=check.found + _INSTEAD, cause=None)


def check_for_trace(root: Path = Path("/"), *, euid: int | None = None) -> Iterator[Check]:
    """Yield a check for each thing that `spo-trace trace` needs; none of them prevents a snapshot."""
    return trace_needs(Machine(root, euid=euid))


def _check_compiled() -> Check:
    topic = Topic(CheckCode.COMPILED_CODE, "compiled code")
    missing = [what for what, part in ((_NO_SCANNER, library.load()), (_NO_COLLECTOR, program())) if part is None]
    if missing:
        fix = "reinstall spo-trace on a machine with a C compiler (cc)"
        return topic.optional("; ".join(missing), fix, cause=None)
    return topic.ok("the compiled scanner and collector are installed")
