# SPDX-License-Identifier: LGPL-2.1-or-later
"""The list of processes of a simulated machine."""

import re

from spo_trace.formats.processes import parse_processes
from spo_trace.simulator.machine import ROOT_MEMCG
from spo_trace.simulator.objects import Process
from spo_trace.simulator.processes import process_list
from tests.unit.simulator.conftest import Play


def test_processes_that_run_with_their_swap(play: Play) -> None:
    stage = play("leak") / "minute-09"
    listed = {one.comm: one for one in parse_processes((stage / "processes").read_bytes())}
    # The build has exited
    assert list(listed) == ["swapper/0", "kthreadd", "web", "worker", "backup", "sampler"]
    owners = re.findall(rb"\((\S+)\), ts", (stage / "sys/kernel/debug/swap_page_owner").read_bytes())
    assert listed["worker"].swap == owners.count(b"worker") * 4096 > 0
    assert listed["web"].swap is None


def test_times_and_hostile_names() -> None:
    processes = [
        Process(9, 9, b"a\nPid:\t5\\", ROOT_MEMCG, 0, 12_345_678_901),
        Process(2, 2, b"kthreadd", ROOT_MEMCG, 0),
        # A thread is no process.
        Process(10, 9, b"thread", ROOT_MEMCG, 0),
    ]
    found = parse_processes(b"".join(process_list(processes, [])))
    assert [(one.pid, one.comm, one.started) for one in found] == [
        (2, "kthreadd", 0),
        (9, "a\\nPid:\\011" + "5\\\\", 1234),
    ]
