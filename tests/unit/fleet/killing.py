# SPDX-License-Identifier: LGPL-2.1-or-later
"""Command lines of a fleet that are killed (SIGKILL) at one of their changes, and what the fleet answers then."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import spo_trace as spo

__all__ = ["answers", "killed_at"]


def killed_at(program: str, place: int, *words: object, cwd: Path) -> bool:
    """Run a command line by a program that kills itself at a change; return whether it did."""
    line = [sys.executable, "-c", program, str(place), *map(str, words)]
    environment = os.environ | {"XDG_CACHE_HOME": str(cwd / ".cache")}
    run = subprocess.run(line, cwd=cwd, env=environment, capture_output=True, check=False)
    assert run.returncode in (0, -signal.SIGKILL), run.stderr.decode()
    return run.returncode != 0


def answers(root: Path | str) -> list[Any]:
    """Return what the fleet says."""
    fleet = spo.fleet.open(root)
    assert fleet.catalog.problems == []
    return [fleet.report(key, at="2026-01-05").to_dict("records") for key in ("stack", "host")]
