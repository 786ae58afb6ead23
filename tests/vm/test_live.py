# SPDX-License-Identifier: LGPL-2.1-or-later
"""Parallel readers on real kernels: no record is lost or duplicated at the borders of their ranges."""

import json
import pickle
from collections import Counter
from pathlib import Path

import pytest

from spo_trace.sources.kernel_file import LONGEST_RECORD
from tests.oracle import framed
from tests.vm import guest, kernels
from tests.vm.qemu import Machine

pytestmark = pytest.mark.vm

Key = tuple[int, int]

SEAMS = 'cd "$VM/../.." && python -m tests.vm.jobs.seams $OUT > $OUT/seams.json'
# Other fields of a page may change in this many records while the pages stay allocated.
CHANGE = 64

# Ctrl-C as soon as it starts to write, which is before it reads.
INTERRUPTED = """
mkdir /run/here && cd /run/here && python - <<'PYTHON'
import os, signal, subprocess, time
# It is ignored here, as in all background processes of a script, and child processes would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
snapshot = subprocess.Popen(["spo-trace", "snapshot", "--jobs", "2", "-o", "now.spo"])
while not os.listdir():
    time.sleep(0.01)
snapshot.send_signal(signal.SIGINT)
print("ended with", snapshot.wait(), "and left", os.listdir())
PYTHON
"""


@pytest.mark.parametrize("kernel", ["6.1-stock", "6.12-stock", "7.2-spo"])
def test_readers_of_ranges_agree_with_one_reader_and_can_be_interrupted(kernel: str, tmp_path: Path) -> None:
    outcome = run(kernel, SEAMS + INTERRUPTED, tmp_path)
    found = [json.loads(line) for line in (tmp_path / "seams.json").read_text().splitlines()]
    assert [one["jobs"] for one in found] == [1, 2, 3, 8] * 2
    before, after = (records_in(tmp_path / name) for name in ("before", "after"))
    has = {key for key, _, _ in after}
    stayed = {key: size for key, record, size in before if not record.early and key in has}
    assert len(stayed) > 3000
    for one in found:
        assert one["ranges"]
        assert (one["too_large"] > 0) == (one["room"] < LONGEST_RECORD)
        check_keys([key for key, _, _ in records_in(tmp_path / one["file"])], stayed, one["room"])
    assert "interrupted; no files were left behind" in outcome.log
    assert "ended with 130 and left []" in outcome.log


def check_keys(keys: list[Key], stayed: dict[Key, int], room: int) -> None:
    """Check that all lasting records that fit are present, that too large ones are not, and that none is duplicated."""
    has, pfns = set(keys), [pfn for pfn, _ in keys]
    assert [key for key, size in stayed.items() if size < room - CHANGE and key not in has] == []
    assert [key for key, size in stayed.items() if size >= room + CHANGE and key in has] == []
    assert [pfn for pfn, number in Counter(pfns).items() if number > 1] == []
    assert pfns == sorted(pfns)


def records_in(path: Path) -> list[tuple[Key, framed.Record, int]]:
    """Return PFN and time, the record as parsed by the oracle, and its size, for each record of a reading."""
    texts: list[bytes] = pickle.loads(path.read_bytes())
    records = [(framed.memory(text)[0], len(text)) for text in texts]
    return [((record.number, record.ts_nsec), record, size) for record, size in records]


def run(kernel: str, job: str, out: Path) -> guest.Outcome:
    """Run a job on a kernel booted with page_owner=on; skip the test if there is no such kernel."""
    try:
        machine = Machine(
            kernels.find(kernel), "page_owner=on", processors=2 if kernel == "7.2-spo" else 1, disks_mib=()
        )
    except kernels.KernelMissing as missing:
        pytest.skip(str(missing))
    return guest.run(machine, job, out, time_limit=600)
