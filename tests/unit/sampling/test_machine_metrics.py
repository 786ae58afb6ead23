# SPDX-License-Identifier: LGPL-2.1-or-later
"""Metrics that many threads ask for, and one reads."""

import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep

import pytest

import spo_trace as spo
from spo_trace.analysis.metrics import snapshot_metrics
from spo_trace.errors import SpoTraceError
from spo_trace.files.scratch import scratch_directory
from spo_trace.reporters.openmetrics import Metric, Sample
from spo_trace.sampling.machine_metrics import LatestMetrics, page_columns, read_metrics
from spo_trace.snapshots.meta import Origin
from spo_trace.sources.live_capture import LiveRequest
from tests.collectors import tree
from tests.support import CARRIED, meminfo, page


class Machine:
    """Count the readings, and check that there is one at a time."""

    def __init__(self, *, seconds: float = 0.0, fails: Sequence[int] = ()) -> None:
        self.readings = 0
        self._seconds = seconds
        self._fails = fails
        self._busy = threading.Lock()

    def read(self) -> list[Metric]:
        assert self._busy.acquire(blocking=False)
        self.readings += 1
        sleep(self._seconds)
        self._busy.release()
        if self.readings in self._fails:
            raise SpoTraceError("page_owner is gone\x1b")
        return [Metric("x", "", "", [Sample({}, self.readings)])]


def test_the_columns_suffice_while_a_trace_runs() -> None:
    # GIVEN a machine's pages with these columns only, and owners of swap from a trace
    snap = spo.open(CARRIED / "7.2-spo" / "2-swapped", page_columns=page_columns())
    traced = replace(snap.meta.swap_owner, origin=Origin.BPF)
    snap.meta = replace(snap.meta, swap_owner=traced)
    # THEN the metrics need no others
    (swap,) = (one.samples[0].value for one in snapshot_metrics(snap, 1) if one.name == "spo_trace_swap_bytes")
    assert swap == snap.count("swap") * 4096


def number(metrics: Sequence[Metric] | None) -> float | None:
    return None if metrics is None else metrics[0].samples[0].value


def renewed(latest: LatestMetrics) -> LatestMetrics:
    """Return it, with a thread that renews it whenever somebody asks."""

    def renew() -> None:
        while True:
            latest.renew()

    threading.Thread(target=renew, daemon=True).start()
    return latest


def test_a_reading_is_used_until_it_is_too_old() -> None:
    machine = Machine()
    latest = renewed(LatestMetrics(machine.read, 0.5))
    # WHEN somebody asks twice at once, THEN the first reading is the answer
    assert (number(latest.get()), number(latest.get())) == (1, 1)
    # WHEN it is too old, and nobody asks, THEN the machine is left alone
    sleep(0.7)
    assert machine.readings == 1
    # AND the next who asks gets a new one
    assert number(latest.get()) == 2


def test_many_who_ask_at_once_cause_one_reading() -> None:
    machine = Machine(seconds=0.2)
    latest = renewed(LatestMetrics(machine.read, 10))
    latest._began = monotonic() - 11
    with ThreadPoolExecutor(8) as pool:
        found = [number(one) for one in pool.map(lambda _: latest.get(), range(8))]
    assert found == [2] * 8
    assert machine.readings == 2


def test_a_reading_that_takes_longer_than_it_may_be_old_is_an_answer() -> None:
    machine = Machine(seconds=0.3)
    latest = renewed(LatestMetrics(machine.read, 0.1))
    assert number(latest.get()) == 2


def test_an_error_is_logged_and_the_next_reading_is_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine(fails=[2])
    latest = renewed(LatestMetrics(machine.read, 0.2))
    sleep(0.3)
    # WHEN the machine cannot be read, THEN there are no metrics, not old ones
    assert latest.get() is None
    assert "page_owner is gone\\033" in caplog.text
    sleep(0.3)
    assert number(latest.get()) == 3


def test_the_first_error_is_raised() -> None:
    with pytest.raises(SpoTraceError, match="page_owner is gone"):
        LatestMetrics(Machine(fails=[1]).read, 10)


def test_this_machine_is_read_with_its_cost(tmp_path: Path) -> None:
    # GIVEN a machine whose kernel prints records, read like this one, and a private directory of this process
    root = tree(tmp_path / "root", {"page_owner": page(1) + page(4, 2, comm=b"cat"), "meminfo": meminfo()})
    before = set(scratch_directory().iterdir())
    # WHEN it is read
    found, meta = read_metrics(LiveRequest(1, 10.0, root), 1)
    # THEN the metrics are those of its records
    (by_comm,) = [metric for metric in found if metric.name == "spo_trace_comm_memory_bytes"]
    samples = [(*sample.labels.values(), sample.value) for sample in by_comm.samples]
    assert samples == [("cat", 4 << 12), ("(rest)", 1 << 12)]
    # AND they have the time that the reading took
    values = {metric.name: metric.samples[0].value for metric in found if metric.samples}
    assert meta.cost and values["spo_trace_read_seconds"] == meta.cost.seconds > 0
    assert values["spo_trace_read_cpu_seconds"] == meta.cost.cpu_seconds
    # AND nothing is left
    assert set(scratch_directory().iterdir()) == before


READS = """
import sys
from spo_trace import cli
from spo_trace.sampling import machine_metrics

def read(*_, **__):
    print(sorted({"numpy", "pandas", "pyarrow"} & sys.modules.keys()))
    sys.exit()

machine_metrics.read_machine = read
sys.argv = ["spo-trace", "metrics", *sys.argv[1:]]
cli.main()
"""


@pytest.mark.parametrize("arguments", [[], ["--listen", "0"]], ids=["once", "served"])
def test_this_machine_is_read_before_anything_large_is_loaded(arguments: list[str]) -> None:
    # Otherwise, the metrics of comm="spo-trace" would be 150 MiB.
    done = subprocess.run([sys.executable, "-c", READS, *arguments], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[]\n", "")
