# SPDX-License-Identifier: LGPL-2.1-or-later
"""Start a trace, and end it when it is attached.

    trace_start.py LOADER TIMES

Prints for each start the seconds until it is attached, the memory of the trace, and the largest process of the start.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic


def main(loader: str, times: int) -> None:
    """Start the trace several times."""
    bare = seconds_of([sys.executable, "-I", "-S", "-c", "pass"])
    print(f"{loader}: Python alone starts in {bare:.2f} s")
    for _ in range(times):
        print(f"{loader}: {start(loader)}", flush=True)


def seconds_of(command: list[str]) -> float:
    """Return the time that a command takes when its files were read before."""
    subprocess.run(command, check=True)
    began = monotonic()
    subprocess.run(command, check=True)
    return monotonic() - began


def start(loader: str) -> str:
    """Return the figures of one start."""
    began = monotonic()
    trace = subprocess.Popen(["spo-trace", "trace", "--loader", loader], stderr=subprocess.PIPE, text=True)
    assert trace.stderr
    for line in trace.stderr:
        if line.startswith("Attached"):
            break
    seconds = monotonic() - began
    status = dict(line.split(":", 1) for line in Path(f"/proc/{trace.pid}/status").read_text().splitlines())
    own, files = (int(status[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile"))
    os.kill(trace.pid, signal.SIGTERM)
    _, _, usage = os.wait4(trace.pid, 0)
    # The largest one of the trace and the processes that it waited for.
    largest = usage.ru_maxrss / 1024
    return f"{seconds:.2f} s; {own:.1f} MiB of its own, {files:.1f} MiB of files; largest process {largest:.1f} MiB"


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
