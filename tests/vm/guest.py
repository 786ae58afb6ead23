# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs of one job in one guest, from boot to power-off."""

import compileall
import os
import selectors
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.vm.monitor import Monitor
from tests.vm.qemu import DIES_WITH_PARENT, Machine, accelerator, command, monitor_on
from tests.vm.turn import turn

__all__ = ["GuestError", "Outcome", "follow", "outcome", "run"]

CHECKOUT = Path(__file__).resolve().parents[2]
VM = Path("tests/vm")
LIBRARY = CHECKOUT / VM / "guest" / "lib.sh"
PACKAGE = CHECKOUT / "spo_trace"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Only a guest that does not end needs it: several times what the longest takes on a slow host.
TIME_LIMIT = 3600


class GuestError(RuntimeError):
    """The guest did not power off in time, or its job failed; the message contains the end of its console."""


@dataclass(frozen=True)
class Outcome:
    """The result of a job: its log, its files in the directory `out`, and the `seconds` from boot to power-off."""

    out: Path
    log: str
    seconds: float


def run(
    machine: Machine,
    job: str,
    out: Path,
    *,
    time_limit: float = TIME_LIMIT,
    alone: bool = False,
    environment: Mapping[str, str] | None = None,
    userland: Path | None = None,
    systemd: bool = False,
    echo: IO[bytes] | None = None,
) -> Outcome:
    """Boot `machine`, run the shell script `job` in it as root, and return when the guest is off.

    The job has the helpers of guest/lib.sh, this Python's directory first in PATH, and `out` as $OUT. `out` gets
    job.log, dmesg, console.log and the job's files; the console is copied to `echo`. As many guests run at once as this
    machine has processors, but none together with one that is `alone`. With `userland`, that tree is the job's root
    file system, and its own Python runs spo-trace; with `systemd`, the tree's systemd boots and starts the job. Raise
    GuestError if the job's exit status is not 0, or if it is not done after `time_limit` seconds. monitor.py describes
    the dumps that the job can request.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "status").unlink(missing_ok=True)
    if userland is None:
        _write_job(out, job, environment or {})
    else:
        _write_job_inside(out, job, environment or {}, userland, systemd=systemd)
    # The guest can't store compiled Python files, and would compile the sources again for each command.
    compileall.compile_dir(PACKAGE, quiet=2)
    with turn(alone=alone):
        start = time.monotonic()
        whole = _boot(machine, out, time_limit, echo)
        seconds = time.monotonic() - start
    return outcome(out, seconds, None if whole else time_limit)


def outcome(out: Path, seconds: float, exceeded: float | None) -> Outcome:
    """Return the result of a guest that is off; raise GuestError if it failed, or `exceeded` its limit of seconds."""
    log = out / "job.log"
    text = log.read_text("utf-8", "backslashreplace") if log.exists() else ""
    if exceeded is not None:
        raise GuestError(f"the guest was not done after {exceeded:g} s\n{_end_of_console(out)}")
    status = (out / "status").read_text().strip() if (out / "status").exists() else "none: the guest died"
    if status != "0":
        raise GuestError(f"the job's exit status: {status}\n{text[-2000:]}\n--- console\n{_end_of_console(out)}")
    return Outcome(out, text, seconds)


def _write_job(out: Path, job: str, environment: Mapping[str, str]) -> None:
    variables = {**_variables(Path(sys.executable).parent, CHECKOUT), **environment}
    (out / "job.sh").write_text(_script(variables, LIBRARY, job))


# userland/build.sh describes the tree.
def _write_job_inside(out: Path, job: str, environment: Mapping[str, str], tree: Path, *, systemd: bool) -> None:
    checkout = Path("/usr/src/spo-trace")
    variables = {**_variables(Path("/opt/spo-trace/bin"), checkout), **environment}
    (out / "inside.sh").write_text(_script(variables, checkout / VM / "guest" / "lib.sh", job))
    outside = {"TREE": str(tree), "CHECKOUT": str(CHECKOUT), **environment}
    if systemd:
        outside["FIRST_PROCESS"] = "yes"
    name = "first.sh" if systemd else "job.sh"
    (out / name).write_text(_script(outside, CHECKOUT / VM / "guest" / "enter.sh", ""))


def _variables(python: Path, checkout: Path) -> dict[str, str]:
    return {"PATH": f"{python}:{SYSTEM_PATH}", "OUT": "/run/out", "VM": str(checkout / VM)}


def _script(variables: Mapping[str, str], library: Path, job: str) -> str:
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
    return f"{exports}. {shlex.quote(str(library))}\n{job}"


def _boot(machine: Machine, out: Path, time_limit: float, echo: IO[bytes] | None) -> bool:
    with ExitStack() as stack:
        # Unnamed files: nothing is left of them, no matter how this process ends.
        disks = [stack.enter_context(tempfile.TemporaryFile()) for _ in machine.disks_mib]
        for disk, mib in zip(disks, machine.disks_mib, strict=True):
            disk.truncate(mib << 20)
        fds = [disk.fileno() for disk in disks]
        monitor = stack.enter_context(closing(Monitor(out)))
        fds.append(monitor.theirs.fileno())
        arguments = [*command(machine, out, fds[:-1], accelerator(machine.kernel)), *monitor_on(fds[-1])]
        console = stack.enter_context((out / "console.log").open("wb"))
        return follow(arguments, fds, [console, monitor, *([echo] if echo else [])], time_limit)


def follow(arguments: Sequence[str], fds: Sequence[int], sinks: Sequence[IO[bytes] | Monitor], limit: float) -> bool:
    """Run QEMU with open files, copy its console to `sinks`, and return whether it ended within `limit` seconds."""
    process = subprocess.Popen(
        [*DIES_WITH_PARENT, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=fds,
    )
    try:
        return _copy(process, sinks, time.monotonic() + limit)
    finally:
        process.kill()
        process.wait()


# Copies the console until QEMU closes it (True) or the deadline has passed (False).
def _copy(process: subprocess.Popen[bytes], sinks: Sequence[IO[bytes] | Monitor], deadline: float) -> bool:
    assert process.stdout is not None
    with process.stdout as pipe, selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            if not selector.select(left):
                continue
            chunk = os.read(pipe.fileno(), 65536)
            if not chunk:
                return True
            for sink in sinks:
                sink.write(chunk)
                sink.flush()
    return False


def _end_of_console(out: Path) -> str:
    return (out / "console.log").read_bytes()[-2000:].decode("utf-8", "backslashreplace")
