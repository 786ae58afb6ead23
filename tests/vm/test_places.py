# SPDX-License-Identifier: LGPL-2.1-or-later
"""Places in memory on real kernels: pageblocks are mixed where the kernel itself counts mixed blocks."""

import re
from pathlib import Path

import pytest

import spo_trace as spo
from spo_trace.snapshots.reader import Snapshot
from tests.vm.support import boot

pytestmark = pytest.mark.vm

# Unmovable pages in movable pageblocks: memory is filled with a tmpfs; from each pageblock, a part is freed; then many
# pipes are filled. Their pages are unmovable, and more than unmovable pageblocks have free.
JOB = r"""
mkdir /run/filled && mount -t tmpfs -o size=90% filled /run/filled
python3 - <<'HELD' &
import os, pathlib, resource, time
def free():
    return int(pathlib.Path("/proc/meminfo").read_text().split()[4])
number = 0
while free() > 24 << 10:
    pathlib.Path(f"/run/filled/{number}").write_bytes(bytes(64 << 10))
    number += 1
for one in range(0, number, 8):
    pathlib.Path(f"/run/filled/{one}").unlink()
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
pipes = [os.pipe() for _ in range(800)]
for _, end in pipes:
    os.set_blocking(end, False)
    os.write(end, bytes(64 << 10))
pathlib.Path("/run/held").touch()
time.sleep(100000)
HELD
until [ -e /run/held ] || [ ! -d /proc/$! ]; do sleep 0.5; done
[ -e /run/held ] || exit 1
sleep 1
cat /proc/pagetypeinfo > "$OUT/before"
"$VM/../../spo_trace/native/spo-collect" /run/one || exit 1
cat /proc/pagetypeinfo > "$OUT/after"
cp -r /run/one "$OUT"
# Python needs more memory than is left.
rm -r /run/filled/* /run/one
spo-trace snapshot -o "$OUT/memory.spo" || exit 1
cat /sys/devices/system/memory/block_size_bytes > "$OUT/block_size" || true
"""


@pytest.mark.parametrize("kernel", ["6.1-stock", "7.2-spo"])
def test_mixed_blocks_are_those_that_the_kernel_counts(kernel: str, tmp_path: Path) -> None:
    guest = boot(kernel, "page_owner=on", JOB, tmp_path, disks_mib=())
    texts = [(guest.out / name).read_text() for name in ("before", "after")]
    expected = [mixed_blocks(text) for text in texts]
    assert expected[0]["Movable"] > 5
    snap = spo.open(guest.out / "one")
    order = re.search(r"^Page block order: (\d+)$", texts[0], re.MULTILINE)
    assert order is not None and snap.meta.machine.pageblock_order == int(order[1])
    found = mixed_in(snap)
    for name in ("Unmovable", "Movable", "Reclaimable"):
        counts = [counted[name] for counted in expected]
        # The collector's own pages may mix a block.
        assert min(counts) - 1 <= found.get(name, 0) <= max(counts) + 1, name
    # AND memory shows the same sizes, and unmovable pages in movable blocks
    memory = spo.open(guest.out / "memory.spo")
    assert memory.meta.machine.pageblock_order == int(order[1])
    size = (guest.out / "block_size").read_text().strip()
    assert memory.meta.machine.memory_block_bytes == (int(size, 16) if size else None)
    blockers = spo.blockers(snap, [], where="pageblock_migratetype == 'Movable'")
    assert blockers["blocks"].tolist()[0] > 5


def mixed_blocks(text: str) -> dict[str, int]:
    """Return the sum over all zones of `Number of mixed blocks` of pagetypeinfo, by migrate type."""
    head, *lines = text.partition("Number of mixed blocks")[2].splitlines()
    rows = [line.split()[4:] for line in lines if line.startswith("Node")]
    return {name: sum(int(row[at]) for row in rows) for at, name in enumerate(head.split())}


def mixed_in(snap: Snapshot) -> dict[str, int]:
    """Return how many pageblocks of each type have pages that were allocated for another type."""
    table = spo.attribute(snap, ["pageblock", "pageblock_migratetype", "migratetype"])
    other = table[table["pageblock_migratetype"] != table["migratetype"]]
    counts = other.drop_duplicates(["pageblock", "pageblock_migratetype"])["pageblock_migratetype"].value_counts()
    return {str(name): int(number) for name, number in counts.items()}
