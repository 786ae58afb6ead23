# SPDX-License-Identifier: LGPL-2.1-or-later
"""A snapshot of a machine that thrashes: more memory is in constant use than it has."""

import re
import subprocess

import pytest

import spo_trace as spo
from tests.oracle.compare import spo_trace
from tests.vm.support import MIB, Guest, boot

pytestmark = pytest.mark.vm

WORKING_SET_MIB = 470
# moved NAME: pages swapped in since boot, and the time
JOB = f"""
swap_on /dev/vda
steady_reclaim
echo never > /sys/kernel/mm/transparent_hugepage/enabled
moved() {{ echo "moved $1 $(awk '$1 == "pswpin" {{ print $2 }}' /proc/vmstat) $(cut -d' ' -f1 /proc/uptime)"; }}
python3 "$VM/jobs/thrash.py" {WORKING_SET_MIB} & mover=$!
# In the first rounds, swap still fills.
until [ "$(cat /run/moving 2> /dev/null)" -ge 3 ] 2> /dev/null || [ ! -d /proc/$mover ]; do sleep 1; done
mkdir -p $OUT/live
for method in auto text; do
    moved before-$method
    spo-trace snapshot --method $method -o $OUT/live/$method.spo || exit
    moved after-$method
done
[ -d /proc/$mover ] && kill -9 $mover
"""


@pytest.fixture(scope="module")
def thrash(tmp_path_factory: pytest.TempPathFactory) -> Guest:
    out = tmp_path_factory.mktemp("thrash")
    return boot("7.2-spo", "page_owner=on,swap", JOB, out, memory_mib=491, disks_mib=(1024,))


@pytest.mark.parametrize("method", ["auto", "text"])
def test_the_snapshot_ends_while_pages_move(thrash: Guest, method: str) -> None:
    moved = {name: int(pages) for name, pages in re.findall(r"^moved (\S+) (\d+) ", thrash.log, re.MULTILINE)}

    assert moved[f"after-{method}"] - moved[f"before-{method}"] > 1000
    owners = spo.attribute(spo.open(thrash.out / "live" / f"{method}.spo"), by="comm")
    # All of the working set has an owner, wherever it is at that moment.
    assert owners["total_bytes"].max() >= 0.98 * WORKING_SET_MIB * MIB


@pytest.mark.parametrize("method", ["auto", "text"])
def test_verify_is_balanced(thrash: Guest, method: str) -> None:
    live = thrash.out / "live" / f"{method}.spo"
    run = subprocess.run(
        [spo_trace(), "verify", str(live), "--only", "memory,swap"], capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stdout + run.stderr
