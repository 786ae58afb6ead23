# SPDX-License-Identifier: LGPL-2.1-or-later
"""Memory that is freed and taken anew is the same pages."""

import ctypes
import subprocess
import sys

import pytest

from spo_trace.sources import own_memory

# In a process of its own, as it is for good.
PROGRAM = """
import resource
from spo_trace.sources.own_memory import keep_freed_memory
keep_freed_memory()
def blocks():
    for _ in range(20):
        kept = [bytes(range(256)) * (3 << 12) for _ in range(10)]
blocks()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
blocks()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_blocks_are_taken_from_what_was_freed() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    # Without it, some 84,000: the pages of all blocks, again and again.
    assert int(done.stdout) < 1000


def test_a_c_library_that_can_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    own_memory.keep_freed_memory()
