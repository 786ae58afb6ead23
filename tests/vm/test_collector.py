# SPDX-License-Identifier: LGPL-2.1-or-later
"""The collector on real kernels: its capture has the records that `cat` prints."""

import json
import re
from pathlib import Path

import pytest

import spo_trace as spo
from spo_trace.analysis.verdicts import verdicts
from tests.collectors import restored
from tests.vm.support import Guest, boot

pytestmark = pytest.mark.vm

_PASSING = re.compile(rb"^(PFN .* Block \d+) type \S+ Flags .*$", re.MULTILINE)

# Some pages of a process are in swap. The captures before and after show which records stay the same.
JOB = r"""
[ ! -e /dev/vda ] || swap_on /dev/vda
python3 - <<'HELD' &
import mmap, pathlib, time
memory = mmap.mmap(-1, 16 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for at in range(0, len(memory), 4096):
    memory[at] = 1
memory.madvise(21, 0, 8 << 20)  # MADV_PAGEOUT
pathlib.Path("/run/held").touch()
time.sleep(100000)
HELD
until [ -e /run/held ]; do sleep 0.5; done
native="$VM/../../spo_trace/native"
capture before
"$native/spo-collect" /run/one || exit 1
"$native/spo-collect" -j 3 /run/several || exit 1
start='import sys; sys.path.append(sys.argv[1]); from spo_trace.collector.main import main; main(sys.argv[2:])'
python3 -I -S -c "$start" "$VM/../.." /run/python || exit 1
"$native/spo-collect" > /run/archive.tar || exit 1
capture after
cp -r /run/one /run/several /run/python /run/archive.tar "$OUT"
cd "$VM/../.." && python -m tests.vm.jobs.measure_collector 1 > "$OUT/measured.json"
"""


@pytest.mark.parametrize("kernel", ["6.1-stock", "7.2-spo"])
def test_steady_records_are_those_that_cat_prints(kernel: str, tmp_path: Path) -> None:
    guest = boot(kernel, "page_owner=on,swap" if "spo" in kernel else "page_owner=on", JOB, tmp_path, disks_mib=(64,))
    for name in ("one", "several", "python"):
        check(guest, guest.out / name)
    # AND the archive of a capture is a capture
    snap = spo.snapshot(guest.out / "archive.spo", from_=guest.out / "archive.tar")
    assert snap.stacks.handle.isna().all()
    assert verdicts(snap).set_index("part").loc["memory", "verdict"] == "balanced"
    # AND few of the listed pages are the collector's own: 2 MiB, and 8 MiB if it reads memory
    measured = [json.loads(line) for line in (guest.out / "measured.json").read_text().splitlines()]
    for what, most in (("collector", 512), ("memory", 2048)):
        assert [one for one in measured if one["what"] == what and not 0 < one["own_pages"] <= most] == []


def check(guest: Guest, collected: Path) -> None:
    """Check that a capture has every record that was the same before and after it."""
    made = restored(collected)
    for file in ("page_owner", "swap_page_owner"):
        before, after = (guest.stage(stage) / file for stage in ("before", "after"))
        assert before.exists() == (file in made)
        if before.exists():
            steady = set(_records(before.read_bytes())) & set(_records(after.read_bytes()))
            found = _records(made[file])
            assert len(steady) > (1000 if file == "swap_page_owner" else 3000)
            assert steady - set(found) == set()
            numbers = [record.split(b"\n", 2)[1].split(b" type ")[0] for record in found]
            assert len(set(numbers)) == len(numbers)


# Flags of a page and the type of its pageblock change while it stays allocated. Pages with the early stack may be free,
# in the list of a processor: then they are listed, and not while they are in the buddy allocator.
def _records(text: bytes) -> list[bytes]:
    steady = _PASSING.sub(rb"\1", text)
    return [record for record in steady.split(b"\n\n") if record and b" register_early_stack+" not in record]
