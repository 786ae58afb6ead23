# SPDX-License-Identifier: LGPL-2.1-or-later
"""The list of processes."""

import pytest

from spo_trace.formats import processes
from spo_trace.formats.processes import Process, parse_processes

TEXT = (
    b"Pid:\t1\nName:\tinit\nVmSwap:\t     128 kB\nSwapPss:               64 kB\nStartTime:\t7\nCgroup:\t/\n\n"
    b"Pid:\t2\nName:\tkthreadd\nStartTime:\t7\n\nPid:\t3\nName:\tgone\n\n"
    b"Pid:\t4194303\nName:\ta\\nPid:\\\\\xff\nVmSwap:\t0 kB\nStartTime:\t123456\nCgroup:\t/a b\n\n"
)


def test_processes() -> None:
    assert parse_processes(TEXT) == [
        Process(1, "init", 7, 128 * 1024, 64 * 1024),
        # Kernel threads have no swap, and a process that ended while it was read has no start time.
        Process(2, "kthreadd", 7, None, None),
        Process(3, "gone", None, None, None),
        # The kernel escapes newlines and backslashes of a name only.
        Process(4194303, "a\\nPid:\\\\\\377", 123456, 0, None),
    ]


def test_the_list_of_a_pid_namespace_or_a_too_long_one_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    # In a PID namespace, another process has the number 2.
    assert parse_processes(TEXT.replace(b"kthreadd", b"sleep")) == []
    monkeypatch.setattr(processes, "MAX_PROCESSES", 3)
    assert parse_processes(TEXT) == []


@pytest.mark.parametrize("junk", [b"\x1b[1m", b"\0", b"Pid:\t", b"VmSwap:\t99999999999999999 kB", b"\n\n"])
def test_junk_does_no_harm(junk: bytes) -> None:
    for at in range(0, len(TEXT), 7):
        found = parse_processes(TEXT[:at] + junk + TEXT[at:])
        assert "\x1b" not in repr(found)
        assert all(one.swap is None or one.swap < 1 << 60 for one in found)


@pytest.mark.parametrize("filler", [b"\n", b" ", b"\t\n", b"a\n", b"A:\n", b"Pid:\t1\n"])
def test_long_fillers_take_linear_time(filler: bytes) -> None:
    found = parse_processes(filler * (500_000 // len(filler)) + b"\n" + TEXT)
    assert [one.pid for one in found][-4:] == [1, 2, 3, 4194303]
