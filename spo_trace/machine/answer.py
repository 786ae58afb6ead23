# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether a snapshot or a trace is possible, from the results of the checks."""

from collections.abc import Iterable
from enum import StrEnum

from spo_trace.machine.check import Check, CheckCode, State

__all__ = ["SNAPSHOT_NEEDS", "TRACE_NEEDS", "Answer", "answer"]

# Without the others, a snapshot lacks the owners of swap or the kernel's counts, or takes longer.
SNAPSHOT_NEEDS = frozenset({CheckCode.ROOT, CheckCode.DEBUGFS, CheckCode.PAGE_OWNER})

# Without BTF, kprobes are attached. libbpf or bcc with headers is enough: TRACE_LOADER.
TRACE_NEEDS = frozenset(
    {
        CheckCode.TRACE_PRIVILEGES,
        CheckCode.TRACE_LOCKDOWN,
        CheckCode.TRACE_BPF,
        CheckCode.TRACE_LOADER,
        CheckCode.TRACE_HOOKS,
        CheckCode.TRACE_KPROBES,
    }
)


class Answer(StrEnum):
    """Name whether something is possible on a machine; the values are stable, for programs."""

    POSSIBLE = "possible"
    IMPOSSIBLE = "impossible"
    UNKNOWN = "unknown"


def answer(checks: Iterable[Check], needs: frozenset[CheckCode]) -> Answer:
    """Return whether something is possible that needs the subjects `needs` of `checks`."""
    states = {check.state for check in checks if check.code in needs}
    if states & {State.MISSING, State.OPTIONAL}:
        return Answer.IMPOSSIBLE
    return Answer.UNKNOWN if State.UNKNOWN in states else Answer.POSSIBLE
