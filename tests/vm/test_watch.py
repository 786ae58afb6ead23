# SPDX-License-Identifier: LGPL-2.1-or-later
"""watch and trend on a running kernel: the kernel's counts and records compared with awk, and an artificial leak."""

import csv
import re
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.oracle.compare import spo_trace
from tests.vm import guest, kernels
from tests.vm.qemu import Machine

pytestmark = pytest.mark.vm

# A tmpfs file grows by 256 KiB per second, with one dd after the other. awk reads while watch waits; its memory counts.
JOB = """
swap_on /dev/vda
mkdir /run/t && mount -t tmpfs none /run/t
(while sleep 1; do dd if=/dev/zero bs=256k count=1 status=none >> /run/t/leak; done) &
# leaked NAME: its size, and the time
leaked() { echo "leak $1 $(stat -c %s /run/t/leak) $(cut -d' ' -f1 /proc/uptime)"; }
until [ -e /run/t/leak ]; do sleep 0.1; done
leaked counts
spo-trace watch --by stack --method counts -n 2 --count 6 --record /run/stacks > $OUT/stacks.log & watch=$!
until [ -e /run/stacks/000005.parquet ]; do sleep 1; done
leaked before-counts
awk '/^nr_base_pages/ { n += $2 } END { print "awk counts", n * 4096 }' $D/page_owner_stacks/show_stacks
leaked after-counts
wait $watch
leaked counts
leaked records
spo-trace watch --by comm -n 4 --count 5 --record /run/comms > $OUT/comms.log & watch=$!
until [ -e /run/comms/000004.parquet ]; do sleep 1; done
leaked before-records
cat $D/page_owner | awk -F '[ ,]' '/^Page allocated via order/ { n += 2^$5 } END { print "awk records", n * 4096 }'
leaked after-records
wait $watch
leaked records
cp -r /run/stacks /run/comms $OUT
"""


def test_a_leak_on_a_running_kernel(tmp_path: Path) -> None:
    # GIVEN a kernel with counts by stack, on which dd's tmpfs file grows
    try:
        machine = Machine(kernels.find("7.2-spo"), "page_owner=on,swap")
    except kernels.KernelMissing as missing:
        pytest.skip(str(missing))
    # WHEN it is watched
    outcome = guest.run(machine, JOB, tmp_path)
    # THEN counts are read by stack, records by comm, and a sample agrees with awk right after it
    truth = {name: int(number) for name, number in re.findall(r"^awk (\w+) (\d+)$", outcome.log, re.MULTILINE)}
    for directory, name, number in (("stacks", "counts", 5), ("comms", "records", 4)):
        before, after = (
            pq.read_table(tmp_path / directory / f"{at:06}.parquet").to_pandas() for at in (number, number + 1)
        )
        assert before["mem_bytes"].isna().all() == (name == "counts")
        # The file and watch itself grow between the sample before awk and the one after it began.
        grown = leaked(outcome.log, f"after-{name}")[0][0] - leaked(outcome.log, f"before-{name}")[0][0]
        assert before["total_bytes"].sum() <= 1.05 * truth[name]
        assert 0.95 * truth[name] - grown <= after["total_bytes"].sum()
    # AND both find the leak with about its true rate; it also grows while watch starts
    by_caller = trend(tmp_path / "stacks", "caller")["shmem_alloc_folio"]
    by_comm = trend(tmp_path / "comms", "comm")["dd"]
    for row, name in ((by_caller, "counts"), (by_comm, "records")):
        assert rate(outcome.log, name) / 2 < float(row["rate"]) < rate(outcome.log, name) * 2
        assert 0 < float(row["rate_low"]) <= float(row["rate"])


def trend(samples: Path, by: str) -> dict[str, dict[str, str]]:
    """Return the rows of `spo-trace trend` by their first column."""
    options = ["--by", by, "--top", "0", "--format", "csv"]
    lines = subprocess.check_output([spo_trace(), "trend", str(samples), *options], text=True).splitlines()
    return {row[by]: row for row in csv.DictReader(lines)}


def leaked(log: str, name: str) -> list[tuple[int, float]]:
    """Return the size of the file and the time for each line of the job with this name."""
    return [(int(size), float(when)) for size, when in re.findall(rf"^leak {name} (\d+) ([\d.]+)$", log, re.MULTILINE)]


def rate(log: str, name: str) -> float:
    """Return the growth of the file in bytes per second while it was watched."""
    (size, began), (grown, ended) = leaked(log, name)
    return (grown - size) / (ended - began)
