# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several readers at once on real kernels: no record is lost at the seams of their ranges, and none comes twice."""

import json
from pathlib import Path

import pytest

from tests.vm import guest, kernels
from tests.vm.qemu import Machine

pytestmark = pytest.mark.vm

SEAMS = 'cd "$VM/../.." && python -m tests.vm.jobs.seams > $OUT/seams.json'

# Ctrl-C as soon as it has begun to write, which is before it reads.
INTERRUPTED = """
mkdir /run/here && cd /run/here && python - <<'PYTHON'
import os, signal, subprocess, time
# It is ignored here, as in all that a script starts in the background, and who is started would ignore it too.
signal.signal(signal.SIGINT, signal.default_int_handler)
snapshot = subprocess.Popen(["spo-trace", "snapshot", "--jobs", "2", "-o", "now.spo"])
while not os.listdir():
    time.sleep(0.01)
snapshot.send_signal(signal.SIGINT)
print("ended with", snapshot.wait(), "and left", os.listdir())
PYTHON
"""


@pytest.mark.parametrize("kernel", ["6.1-stock", "6.12-stock", "7.2-spo"])
def test_readers_of_ranges_find_what_one_reader_finds_and_an_interrupt_ends_them(kernel: str, tmp_path: Path) -> None:
    outcome = run(kernel, SEAMS + INTERRUPTED, tmp_path)
    found = [json.loads(line) for line in (tmp_path / "seams.json").read_text().splitlines()]
    assert [one["jobs"] for one in found] == [1, 2, 3, 8] * 2
    for one in found:
        assert one["ranges"]
        assert one["stayed"] > 3000
        assert (one["lost"], one["kept"], one["twice"], one["in_order"]) == (0, 0, 0, True)
        assert (one["too_large"] > 0) == (one["room"] < 1 << 16)
    assert "interrupted; nothing was left behind" in outcome.log
    assert "ended with 130 and left []" in outcome.log


def run(kernel: str, job: str, out: Path) -> guest.Outcome:
    """Run a job on a kernel booted with page_owner=on; skip the test if there is no such kernel."""
    try:
        machine = Machine(
            kernels.find(kernel), "page_owner=on", processors=2 if kernel == "7.2-spo" else 1, disks_mib=()
        )
    except kernels.KernelMissing as missing:
        pytest.skip(str(missing))
    return guest.run(machine, job, out, time_limit=600)
