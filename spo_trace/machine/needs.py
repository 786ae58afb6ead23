# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks of what a snapshot needs from this machine."""

from collections.abc import Iterator

from spo_trace.formats.missing import Why
from spo_trace.machine.access import check_debugfs, check_lockdown, check_root
from spo_trace.machine.check import Check, State
from spo_trace.machine.facts import Machine
from spo_trace.machine.page_owner import check_page_owner
from spo_trace.machine.swap_page_owner import check_stacks, check_swap

__all__ = ["snapshot_needs", "why_no_page_owner"]


def snapshot_needs(machine: Machine) -> Iterator[Check]:
    """Yield a check for each thing that a snapshot needs; a failed one does not end the checks."""
    yield check_root(machine)
    yield check_debugfs(machine)
    yield check_lockdown(machine)
    yield check_page_owner(machine)
    yield check_swap(machine)
    yield check_stacks(machine)


def why_no_page_owner(machine: Machine) -> Why | None:
    """Return why page_owner cannot be read: all causes, with the code and fix of the first; None if it can be read."""
    checks = (check_root(machine), check_debugfs(machine), check_page_owner(machine))
    gaps = [check for check in checks if check.state is State.MISSING]
    if not gaps:
        return None
    more = "; spo-trace doctor shows everything that is missing" if len(gaps) > 1 else ""
    assert gaps[0].cause is not None
    return Why(gaps[0].cause, "; ".join(check.found for check in gaps), gaps[0].fix + more)
