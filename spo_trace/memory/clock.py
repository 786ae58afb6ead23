# SPDX-License-Identifier: LGPL-2.1-or-later
"""The time of a dump: date and uptime out of the kernel's timekeeper (struct timekeeper)."""

import struct
from typing import NamedTuple

from spo_trace.memory.image import Unreadable
from spo_trace.memory.kernel import Kernel
from spo_trace.memory.problem import Problem

__all__ = ["Clock", "read_clock"]

# Seen on 7.2 and on 6.12. The timekeeper follows a sequence counter.
_VARIABLES = ("timekeeper_data", "tk_core")
_SEARCHED_BYTES = 256
_NSEC = 10**9


class Clock(NamedTuple):
    """Hold the time of the last tick: seconds since 1970, and seconds since boot, suspended time included."""

    seconds: int
    uptime: float


def read_clock(kernel: Kernel) -> Clock | None:
    """Return the time, None if the timekeeper cannot be found."""
    try:
        return _clock(kernel)
    except Problem:
        return None


def _clock(kernel: Kernel) -> Clock | None:
    types, image = kernel.types, kernel.image
    variable = next((at for name in _VARIABLES if (at := kernel.symbols.find(name)) is not None), None)
    if variable is None:
        return None
    at = _timekeeper(kernel, variable)
    if at is None:
        return None
    seconds = image.u64(at + types.offset("timekeeper", "xtime_sec"))
    offset = at + types.offset("timekeeper", "wall_to_monotonic")
    to_monotonic, nsec = struct.unpack("<qq", image.read(offset, 16))
    suspended = struct.unpack("<q", image.read(at + types.offset("timekeeper", "offs_boot"), 8))[0]
    read_base = at + types.offset("timekeeper", "tkr_mono")
    shift = image.u32(read_base + types.offset("tk_read_base", "shift")) & 63
    nsec += image.u64(read_base + types.offset("tk_read_base", "xtime_nsec")) >> shift
    uptime = seconds + to_monotonic + (nsec + suspended) / _NSEC
    return Clock(seconds, uptime) if 0 < seconds < 1 << 34 and 0 <= uptime <= seconds else None


# Neither variable has a type in BTF, but the timekeeper's clock is known: it is the kernel's clock source.
def _timekeeper(kernel: Kernel, variable: int) -> int | None:
    types = kernel.types
    clock = types.offset("timekeeper", "tkr_mono") + types.offset("tk_read_base", "clock")
    source = kernel.variable("curr_clocksource")
    for at in range(variable, variable + _SEARCHED_BYTES, 8):
        try:
            if source and kernel.image.u64(at + clock) == source:
                return at
        except Unreadable:
            break
    return None
