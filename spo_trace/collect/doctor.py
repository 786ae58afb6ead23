# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks of what snapshots and probes need from this machine."""

from collections.abc import Iterator
from pathlib import Path

from spo_trace.machine.check import Check, CheckCode, Topic
from spo_trace.machine.facts import Machine
from spo_trace.machine.needs import snapshot_needs
from spo_trace.native import library
from spo_trace.native.collector import program
from spo_trace.probes.needs import trace_needs

__all__ = ["check_for_snapshot", "check_for_trace"]


_NO_SCANNER = "there is no compiled scanner: parsing takes ten times as long"
_NO_COLLECTOR = "there is no compiled collector: reading this machine takes 10 MiB more"


def check_for_snapshot(root: Path = Path("/"), *, euid: int | None = None) -> Iterator[Check]:
    """Yield a check for each thing that a snapshot of the machine at `root` needs."""
    yield from snapshot_needs(Machine(root, euid=euid))
    yield _check_compiled()


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
