# SPDX-License-Identifier: LGPL-2.1-or-later
"""Facts about the machine of a benchmark: processor, memory, kernel, versions."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tests.oracle import peer

__all__ = ["facts"]


def facts() -> dict[str, str]:
    """Return facts about this machine and the tools, by name."""
    tools = {name: _version(name) for name in ("spo-trace", "pyarrow", "pandas")}
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} usable, load average {os.getloadavg()[0]:.1f}",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.1f} GiB",
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "versions": ", ".join(f"{name} {number}" for name, number in tools.items())
        + f", Python {platform.python_version()}",
        "page_owner_sort": _peer_version(),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _peer_version() -> str:
    file = peer.CACHE / "version"
    return f"of {file.read_text().strip()}, gcc -O2" if file.is_file() else "missing"
