# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lines above and below the live table of watch, in parts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from spo_trace.reporters.format import counted, format_size

if TYPE_CHECKING:
    from spo_trace.sampling.samples import Sample

__all__ = ["footing", "heading"]


def heading(sample: "Sample") -> list[str]:
    """Return the machine, the time since the first sample, and the use of memory and swap, the latter last."""
    machine = sample.meta.machine
    parts = [machine.host or "", machine.kernel_release or "", _clock(sample.seconds)]
    for title, total, free in (("memory", "MemTotal", "MemFree"), ("swap", "SwapTotal", "SwapFree")):
        parts.append(_used(machine.meminfo, title, total, free))
    return [part for part in parts if part]


def _used(meminfo: Mapping[str, int], title: str, total: str, free: str) -> str:
    if not meminfo.get(total) or free not in meminfo:
        return ""
    return f"{title} {format_size(meminfo[total] - meminfo[free])} of {format_size(meminfo[total])}"


def footing(sample: "Sample", asked: str, warnings: int) -> list[str]:
    """Return what the table shows (`asked`), the number of warnings, and how the sample was read."""
    what = {
        "counts": "the kernel's counts of memory and swap together",
        "memory": "every record, out of memory",
        "text": "every record",
    }[sample.method]
    if sample.method_reason == "counts-lack-stacks":
        what += " (this kernel does not count every stack)"
    later = [f"{counted(warnings, 'warning')} at the end"] if warnings else []
    return [f"Sample {sample.number} {asked}", *later, f"read in {sample.took:.2f} s", what]


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
