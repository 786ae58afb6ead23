# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace doctor."""

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

from spo_trace.cli.errors import fail, guarded
from spo_trace.cli.options import option
from spo_trace.cli.output import check_stdout, note
from spo_trace.errors import EXIT_ERROR, UsageError
from spo_trace.printable import printable
from spo_trace.version import __version__

if TYPE_CHECKING:
    from spo_trace.machine.check import Check

__all__ = ["command"]

_MARKS = {"ok": "ok      ", "missing": "MISSING ", "optional": "optional", "unknown": "?       "}

DoctorFormat = Annotated[
    str, option("--format", "-f", shows="NAME", help="text, or json (for programs, see docs/in-ci.md).", default=True)
]


@guarded
def command(format: DoctorFormat = "text") -> None:
    """Check whether snapshot and trace can work on this machine.

    Lists everything that is missing, and how to fix each item. The exit code is 1 if anything that a snapshot needs
    is missing, else 0; what trace needs does not change it.

    \b
        sudo spo-trace doctor
        sudo spo-trace doctor --format json
    """
    if format not in ("text", "json"):
        raise UsageError(f"there is no format {format!r}", hint="choose one of text, json")
    check_stdout()
    from spo_trace.collect.doctor import check_for_snapshot, check_for_trace

    snapshot, trace = list(check_for_snapshot()), list(check_for_trace())
    if format == "json":
        _print_json(snapshot, trace)
    else:
        print("snapshot and watch:")
        _print_lines(snapshot)
        print("trace (owners of swap on a kernel without the swap_page_owner patches):")
        _print_lines(trace)
    # stdout and stderr may be one file: keep the order of the output.
    sys.stdout.flush()
    missing = [check.what for check in snapshot if check.state == "missing"]
    if missing:
        hint = "captures and simulated machines need none of this: use --from"
        fail(f"cannot take a live snapshot on this machine yet: {', '.join(missing)}", hint, EXIT_ERROR)
    if format == "text":
        note("Ready: sudo spo-trace snapshot -o NAME.spo")


def _print_lines(checks: "Iterable[Check]") -> None:
    for check in checks:
        print(printable(f"{_MARKS[check.state]}  {check.what}: {check.found}"))
        if check.fix:
            print(printable(f"          → {check.fix}"))


def _print_json(snapshot: "Sequence[Check]", trace: "Sequence[Check]") -> None:
    import json

    from spo_trace.machine.answer import SNAPSHOT_NEEDS, TRACE_NEEDS, answer
    from spo_trace.machine.facts import Machine

    found = {
        "tool_version": __version__,
        "kernel_release": Machine().release,
        "snapshot": answer(snapshot, SNAPSHOT_NEEDS),
        "trace": answer(trace, TRACE_NEEDS),
        "checks": [
            *(_fields(check, "snapshot", required=check.code in SNAPSHOT_NEEDS) for check in snapshot),
            *(_fields(check, "trace", required=check.code in TRACE_NEEDS) for check in trace),
        ],
    }
    print(json.dumps(found, indent=2))


# `optional` is `missing`, and not required.
def _fields(check: "Check", needed_for: str, *, required: bool) -> dict[str, str | bool | None]:
    return {
        "code": check.code,
        "needed_for": needed_for,
        "required": required,
        "status": "missing" if check.state == "optional" else check.state,
        "cause": check.cause,
        "message": check.found,
        "fix": check.fix or None,
    }
