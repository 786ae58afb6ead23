# SPDX-License-Identifier: LGPL-2.1-or-later
"""Live snapshots on real kernels: several readers lose and duplicate no record; an interrupt leaves nothing."""

import re
from collections import Counter
from pathlib import Path

import pytest

import spo_trace as spo
from tests.vm.support import Guest, boot, keys

pytestmark = pytest.mark.vm

# The captures before and after show which records stay the same.
JOB = r"""
capture before
for jobs in 1 2 3 8; do
    spo-trace snapshot --method text --jobs $jobs -o $OUT/$jobs.spo || exit 1
done
spo-trace snapshot -o $OUT/memory.spo || exit 1
capture after
mkdir /run/here && cd /run/here && python - <<'PYTHON'
import os, signal, subprocess, time
# SIGINT is ignored here, as in all background processes of a script, and child processes would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    snapshot = subprocess.Popen(["spo-trace", "snapshot", "--method", "text", "-o", "now.spo"])
    # While the collector reads.
    while not any(name == "page_owner.gz" for _, _, names in os.walk(".") for name in names):
        time.sleep(0.01)
    snapshot.send_signal(number)
    print(number.name, "ended with", snapshot.wait(), "and left", os.listdir())
    print("collectors:", subprocess.run(["pgrep", "-c", "spo-collect"], capture_output=True, text=True).stdout.strip())
PYTHON
"""


@pytest.mark.parametrize("kernel", ["6.1-stock", "6.12-stock", "7.2-spo"])
def test_readers_agree_and_can_be_interrupted(kernel: str, tmp_path: Path) -> None:
    processors = 2 if kernel == "7.2-spo" else 1
    guest = boot(kernel, "page_owner=on", JOB, tmp_path, processors=processors, disks_mib=())
    before, after = (keys(guest.stage(name), "page_owner") for name in ("before", "after"))
    stayed = before & after
    assert len(stayed) > 3000
    for name in ("1", "2", "3", "8", "memory"):
        check(guest, name, stayed)
    assert "interrupted; no files were left behind" in guest.log
    ended = re.findall(r"^(\w+) ended with (-?\d+) and left (.*)$", guest.log, re.MULTILINE)
    assert ended == [("SIGINT", "130", "[]"), ("SIGTERM", "143", "[]"), ("SIGHUP", "129", "[]")]
    assert re.findall(r"^collectors: (\d+)$", guest.log, re.MULTILINE) == ["0"] * 3


def check(guest: Guest, name: str, stayed: set[tuple[int, int]]) -> None:
    """Check that a snapshot has all lasting records once, and what it says about itself."""
    snap = spo.open(guest.out / f"{name}.spo")
    found = list(zip(snap.pages["pfn"].astype("uint64"), snap.pages["ts_nsec"].astype("uint64"), strict=True))
    assert stayed - set(found) == set()
    pfns = [pfn for pfn, _ in found]
    assert [pfn for pfn, number in Counter(pfns).items() if number > 1] == []
    assert pfns == sorted(pfns)
    assert (snap.meta.method, snap.meta.source.kind) == ("memory" if name == "memory" else "text", "live")
    if name == "memory":
        # By default, memory is read if it agrees with debugfs. The handles are the kernel's.
        assert snap.meta.compared is not None and snap.meta.compared > 20
        assert snap.stacks["handle"].notna().all()
    else:
        assert snap.stacks["handle"].isna().all()
    cost = snap.meta.cost
    assert cost is not None
    read = snap.meta.files["page_owner"]
    assert 0 < read.seconds <= cost.skew_seconds <= cost.seconds
    assert cost.own_pages is None or cost.own_pages > 0
