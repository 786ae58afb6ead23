# SPDX-License-Identifier: LGPL-2.1-or-later
"""The cost of a live snapshot, and its own pages in the list."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pyarrow as pa

from spo_trace.analysis.balance import balance
from spo_trace.collect.cost import CostMeter
from spo_trace.collect.reading import MachineReading
from spo_trace.collect.snapshot import collect
from spo_trace.snapshots.meta import FileCounts
from spo_trace.snapshots.reader import Snapshot
from spo_trace.sources.capture import CaptureSource
from spo_trace.sources.live_capture import LiveRequest
from tests.collectors import this_machine, tree
from tests.support import MACHINE, Files, capture, entry, meminfo, page


def live(directory: Path, files: Files) -> Snapshot:
    """Return a snapshot of a machine with these files."""
    return collect(this_machine(tree(directory / "root", files)), directory / "x.spo")


def test_a_live_snapshot_counts_its_own_pages(tmp_path: Path) -> None:
    # GIVEN a machine on which this process has allocated 1 + 512 pages, among the pages of others
    own = os.getpid()
    pages = page(1, pid=own) + page(2, pid=own + 1) + page(512, 9, pid=own) + page(2048, 3)
    files = {"page_owner": pages, "swap_page_owner": entry(1, pid=own), "meminfo": meminfo(), **MACHINE}
    # WHEN it takes a snapshot
    snap = live(tmp_path, files)
    # THEN they are counted, and so are time and memory
    cost = snap.meta.cost
    assert cost is not None
    assert cost.own_pages == 513
    assert 0 < cost.max_rss <= max(map(max_rss, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
    # Each is rounded to a millisecond.
    assert 0 < cost.skew_seconds <= cost.seconds + 0.005
    assert cost.cpu_seconds > 0
    # AND verify reports them
    table = balance(snap)
    assert table.loc[table["item"] == "the snapshot's own", ["kind", "pages"]].to_numpy().tolist() == [["aside", 513]]


def max_rss(who: int) -> int:
    """Return the largest memory of this process or of a child in bytes."""
    return resource.getrusage(who).ru_maxrss << 10


def meter(*pids: int) -> CostMeter:
    """Return the meter of a reading by these processes."""
    reading = MachineReading(LiveRequest(1, 1.0))
    reading.pids |= set(pids)
    return CostMeter(reading)


def test_a_kernel_that_prints_no_tgid(tmp_path: Path) -> None:
    old = page(1).replace(b", tgid 7 (dd)", b"")
    snap = live(tmp_path, {"page_owner": old, **MACHINE})
    assert snap.meta.cost is not None
    assert snap.meta.cost.own_pages is None


def test_the_pages_of_the_collector_are_the_snapshots_own() -> None:
    # In a slice of a batch.
    columns = {
        "tgid": pa.array([1, os.getpid(), os.getpid(), 2, 30, 31], pa.int32()),
        "order": pa.array([9, 1, 3, 9, 0, 9], pa.uint8()),
    }
    cost = meter(30, 32)
    cost.see(pa.RecordBatch.from_pydict(columns)[2:])
    assert cost.total({}).own_pages == 8 + 1


def test_a_live_snapshot_is_taken_without_pandas(tmp_path: Path) -> None:
    # GIVEN a machine and a new process
    root = capture(tmp_path / "root", {"sys/kernel/debug/page_owner": page(), "proc/meminfo": meminfo()})
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from spo_trace.collect.snapshot import collect\n"
        "from tests.collectors import this_machine\n"
        f"assert collect(this_machine(Path({str(root)!r})), Path({str(tmp_path / 'x.spo')!r})).meta.cost\n"
        "sys.exit('pandas' in sys.modules)"
    )
    # WHEN it takes a snapshot, THEN it has not imported pandas
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_capture_has_no_cost(tmp_path: Path) -> None:
    source = CaptureSource([capture(tmp_path / "files", {"page_owner": page(1, pid=os.getpid())})])
    assert collect(source, tmp_path / "x.spo").meta.cost is None


def test_skew_is_the_time_from_the_first_byte_to_the_last() -> None:
    files = {
        "show_stacks_handles": FileCounts(began=0.5, seconds=0.25),
        "page_owner": FileCounts(began=1.0, seconds=2.0),
        "show_stacks": FileCounts(began=3.0, seconds=0.25),
        "swap_page_owner": FileCounts(began=3.5, seconds=0.5),
    }
    assert meter().total(files).skew_seconds == 3.0
    assert meter().total({}).skew_seconds == 0.0
