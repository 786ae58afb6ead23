# SPDX-License-Identifier: LGPL-2.1-or-later
"""The list of processes that spo-collect adds to a capture; the kernel has no such file."""

from collections import Counter
from collections.abc import Iterable, Iterator

from spo_trace.simulator.objects import Process, Region, SwapEntry
from spo_trace.simulator.table import PAGE_SIZE

__all__ = ["process_list"]

# In 1/USER_HZ.
_NSEC_PER_TICK = 10_000_000


def process_list(processes: Iterable[Process], regions: Iterable[Region]) -> Iterator[bytes]:
    """Yield the lines of each process that has not exited, lowest PID first.

    VmSwap is of the process that a region was made by. Without any, the process is listed as a kernel thread is.
    """
    swapped = Counter[Process]()
    for region in regions:
        if region.site.kind == "anon":
            swapped[region.process] += sum(isinstance(slot, SwapEntry) for slot in region.slots.values())
    for process in sorted(processes, key=lambda one: one.pid):
        if process.pid == process.tgid:
            yield _lines(process, swapped[process] * PAGE_SIZE // 1024)


# proc_task_name(), fs/proc/array.c, escapes newlines and backslashes only.
def _lines(process: Process, swap_kib: int) -> bytes:
    name = process.comm.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
    swap = b"VmSwap:\t%8d kB\n" % swap_kib if swap_kib else b""
    return b"Pid:\t%d\nName:\t%b\n%bStartTime:\t%d\n\n" % (
        *(process.pid, name, swap),
        process.started_nsec // _NSEC_PER_TICK,
    )
