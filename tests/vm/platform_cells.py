# SPDX-License-Identifier: LGPL-2.1-or-later
"""The judgement of what a guest (jobs/platform.sh, arm64/platform.sh) and the unit tests have left."""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import spo_trace as spo
from spo_trace.errors import SpoTraceError
from spo_trace.snapshots.method import Method
from tests.vm.platform_rows import Cell
from tests.vm.support import COMPLAINTS, TOLERANCE

__all__ = ["LOADERS", "judge_guest", "judge_tests"]

LOADERS = ("libbpf", "bcc")

# Up to Linux 6.14, the kernel frees entries in batches of 64 for each processor, of which there is one.
_BATCH = 64 * 4096
_NAMED = 3


def judge_guest(out: Path, ended: str) -> dict[str, Cell]:
    """Return the results of a guest; `ended`: why it ended before all was done, empty if it did not."""
    judges: dict[str, Callable[[Path, str], Cell]] = {"doctor": _doctor, "snapshot": _snapshot}
    judges |= {f"trace ({loader})": partial(_trace, loader) for loader in LOADERS}
    found = {}
    for name, judge in judges.items():
        try:
            found[name] = judge(out, ended)
        except SpoTraceError as error:
            found[name] = Cell("failed", f"{name}: {error}")
    return found


def judge_tests(status: int, output: str) -> Cell:
    """Return the result of pytest, from its exit status and its output with -rfE."""
    # 1,234 passed, 5 skipped in 67.89s (0:01:07)
    last = (output.strip().splitlines() or ["it printed nothing"])[-1]
    summed = re.sub(r" in [\d.]+s.*", "", last.strip("= "))
    if status == 0:
        return Cell("ok", f"tests: {summed}")
    broken = re.findall(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)
    named = f": {', '.join(broken[:_NAMED])}{' …' if len(broken) > _NAMED else ''}" if broken else ""
    return Cell("failed", f"tests: {summed}{named}")


def _doctor(out: Path, ended: str) -> Cell:
    return _failed(out, "doctor", ended) or Cell("ok", _impossible(out))


def _snapshot(out: Path, ended: str) -> Cell:
    for name in ("snapshot", "verify"):
        if failed := _failed(out, name, ended):
            return failed
    meta = spo.open(out / "now.spo").meta
    return Cell("ok", "" if meta.method == Method.MEMORY else f"snapshot: as text, because {meta.method_why}")


def _trace(loader: str, out: Path, ended: str) -> Cell:
    name, of_loader = f"trace ({loader})", out / f"trace-{loader}"
    if failed := _failed(of_loader, "traced", ended, name):
        why = _impossible(out) if _has_error(of_loader) else ""
        return Cell("refused", why) if why else failed
    log = (of_loader / "trace.log").read_text()
    if f"loaded by {loader} " not in log:
        return Cell("failed", f"{name}: it does not say that {loader} has loaded the probes")
    dmesg = (of_loader / "dmesg").read_text(errors="backslashreplace").splitlines()
    if complaints := [line for line in dmesg if any(word in line for word in COMPLAINTS)]:
        return Cell("failed", f"{name}: the kernel logged: {complaints[0].strip()}")
    # The kernel skips some calls of kprobes.
    how = ": kprobes miss some calls ([why](trace.md#what-it-cannot-see))" if "(kprobes," in log else ""
    return _in_swap(of_loader, name, how)


# The kernel counts the swap of a process: VmSwap of /proc/PID/status.
def _in_swap(of_loader: Path, name: str, how: str) -> Cell:
    figures = [line.split("\t") for line in (of_loader / "figures.tsv").read_text().splitlines()]
    in_swap = {when: int(kib) << 10 for when, what, kib in figures if what == "swap"}
    lacking = []
    for when, stage in (("out", "swapped"), ("in", "back")):
        owners = spo.attribute(of_loader / f"{stage}.spo", by=["comm"]).set_index("comm")
        found, counted = int(owners["swap_bytes"].get("owner", 0)), in_swap[when]
        note = f"{name}: a process has {counted >> 10:,} KiB in swap, the probes know {found >> 10:,} KiB of it{how}"
        if not (1 - TOLERANCE) * counted <= found <= counted + _BATCH:
            return Cell("failed", note)
        if found < counted:
            lacking.append(note)
    return Cell("ok", "; ".join(lacking))


# What doctor says of a trace that is impossible: the first reason. Empty if it is possible or unknown.
def _impossible(out: Path) -> str:
    answer = json.loads((out / "doctor.json").read_text())
    if answer["trace"] != "impossible":
        return ""
    reasons = (check for check in answer["checks"] if check["needed_for"] == "trace" and check["required"])
    first = next(check["message"] for check in reasons if check["status"] == "missing")
    return f"doctor: a trace is impossible, because {first}"


# The cell of a command that failed or was not run to its end, None if it succeeded.
def _failed(out: Path, name: str, ended: str, shown: str = "") -> Cell | None:
    found = re.search(r"^status (\d+)\n\Z", _log(out, name), re.MULTILINE)
    if found and found[1] == "0":
        return None
    return Cell("failed", f"{shown or name}: {_said(out, name) if found else ended}")


# Whether a trace ended with an error of its own, and its status is known.
def _has_error(of_loader: Path) -> bool:
    log = _log(of_loader, "traced")
    return "spo-trace: error: " in log and "Traceback" not in log and "\nstatus 1\n" in log


# The error without its hint.
def _said(out: Path, name: str) -> str:
    lines = _log(out, name).splitlines()[:-1]
    errors = [line.partition("error: ")[2] for line in lines if "error: " in line]
    return errors[-1] if errors else " ".join(lines[-3:]) or "it printed nothing"


def _log(out: Path, name: str) -> str:
    log = out / f"{name}.log"
    return log.read_text(errors="backslashreplace") if log.exists() else ""
