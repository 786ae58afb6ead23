# SPDX-License-Identifier: LGPL-2.1-or-later
"""Memory that is freed and allocated again has the same pages."""

import ctypes
import subprocess
import sys

import pytest

from spo_trace.sources import own_memory

# In another process, as the change is permanent.
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


def test_freed_memory_is_reused() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    # Otherwise about 84,000: new pages for each buffer.
    assert int(done.stdout) < 1000


def test_another_c_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    own_memory.keep_freed_memory()
