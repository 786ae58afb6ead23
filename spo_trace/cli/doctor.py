# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace doctor."""

from spo_trace.cli.guard import fail, guarded
from spo_trace.cli.output import note
from spo_trace.errors import EXIT_ERROR

__all__ = ["command"]

_MARKS = {"ok": "ok      ", "missing": "MISSING ", "optional": "optional"}


@guarded
def command() -> None:
    """Tell whether this machine can be snapshotted, and what it lacks."""
    from spo_trace.machine_checks import check_machine

    missing = []
    for check in check_machine():
        print(f"{_MARKS[check.state]}  {check.what}: {check.found}")
        if check.mend:
            print(f"          → {check.mend}")
        if check.state == "missing":
            missing.append(check.what)
    if missing:
        fail(
            f"no live snapshot on this machine yet: {', '.join(missing)}",
            "captures and the simulator work without",
            EXIT_ERROR,
        )
    note("Ready: sudo spo-trace snapshot -o NAME.spo")
