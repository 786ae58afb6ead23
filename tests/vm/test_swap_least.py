# SPDX-License-Identifier: LGPL-2.1-or-later
"""What kernels that do not keep the owners of swap tell about it, and slab by cache: compared with awk over /proc."""

import re
import subprocess
import tarfile

import pandas as pd
import pytest

import spo_trace as spo
from spo_trace.formats.escape import unescape
from tests.vm.support import Guest, boot

pytestmark = pytest.mark.vm

MIB = 1 << 20
LEAST = "swap_least_bytes"
CAPTURES = ("text.spo", "collected.tar", "script.tar.gz")

# Anonymous memory of a cgroup's process, of one with a newline in its name, and of one that has forked three times, and
# a file in tmpfs, all in swap. MADV_PAGEOUT is 21.
JOB = r"""
swap_on /dev/vda
steady_reclaim
root=/sys/fs/cgroup
echo +memory > $root/cgroup.subtree_control
mkdir $root/a $root/files
echo +memory > $root/a/cgroup.subtree_control
mkdir $root/a/web $root/a/db
hold() {
    (
        echo $BASHPID > "$root/$1/cgroup.procs"
        exec python3 -I -S - "$2" "$3" "$4" "$5" <<'HELD'
import mmap, os, pathlib, sys, time
pathlib.Path("/proc/self/comm").write_bytes(sys.argv[1].encode().decode("unicode_escape").encode())
memory = mmap.mmap(-1, int(sys.argv[2]) << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for at in range(0, len(memory), 4096):
    memory[at] = 1
memory.madvise(21)
for _ in range(int(sys.argv[3])):
    if not os.fork():
        time.sleep(100000)
pathlib.Path(sys.argv[4]).touch()
time.sleep(100000)
HELD
    ) > /dev/null 2>&1 &
}
hold a/web hog 48 0 /run/held-1
hold a/db 'a\nb' 8 0 /run/held-2
hold a/db shared 16 3 /run/held-3
mkdir /run/files && mount -t tmpfs files /run/files
( echo $BASHPID > $root/files/cgroup.procs; exec dd if=/dev/zero of=/run/files/x bs=1M count=32 2> /dev/null )
echo 64M > $root/files/memory.reclaim
until [ -e /run/held-1 ] && [ -e /run/held-2 ] && [ -e /run/held-3 ]; do sleep 0.5; done
sleep 1
# What was written to swap leaves the swap cache
echo 256M > $root/a/memory.reclaim
spo-trace snapshot --method text -o /run/text.spo || exit 1
"$VM/../../spo_trace/native/spo-collect" > /run/collected.tar || exit 1
sh "$VM/../../spo_trace/capture.sh" - > /run/script.tar.gz || exit 1
awk '/^Name:/ { name = substr($0, 7) } /^VmSwap:/ && $2 { print $2 "\t" name }' /proc/[0-9]*/status > "$OUT/processes"
for cgroup in a/web a/db files; do echo "/$cgroup $(cat $root/$cgroup/memory.swap.current)"; done > "$OUT/cgroups"
cat /proc/swaps > "$OUT/swaps"
cp -r /run/text.spo /run/collected.tar /run/script.tar.gz "$OUT"
"""


@pytest.fixture(scope="module", params=["7.2-stock", "6.12-stock"])
def guest(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Guest:
    """Return a guest with anonymous memory and a file in swap."""
    return boot(request.param, "page_owner=on", JOB, tmp_path_factory.mktemp(request.param), memory_mib=640)


def bounds(guest: Guest, name: str, by: str) -> dict[object, int]:
    """Return the lower bound of each owner in a capture; None is unknown."""
    table = spo.attribute(guest.out / name, by).dropna(subset=[LEAST])
    owners = [None if pd.isna(owner) else owner for owner in table[by]]
    return dict(zip(owners, map(int, table[LEAST]), strict=True))


def of_awk(guest: Guest) -> dict[str, list[int]]:
    """Return VmSwap of each process that has some, by name."""
    found: dict[str, list[int]] = {}
    for line in (guest.out / "processes").read_text().splitlines():
        size, name = line.split("\t", 1)
        found.setdefault(name, []).append(int(size) * 1024)
    return found


@pytest.mark.parametrize("name", CAPTURES)
def test_processes_have_what_the_kernel_counts_for_them(guest: Guest, name: str) -> None:
    found, counted = bounds(guest, name, "comm"), of_awk(guest)
    assert len(counted["shared"]) == 4
    for comm in ("hog", "a\\nb"):
        assert found[comm] >= (40 if comm == "hog" else 6) * MIB
        # The kernel's counter is for each processor, and is not exact before Linux 6.17
        assert abs(found[comm] - sum(counted[comm])) <= 128 * 4096
    # AND pages that processes share count once, although VmSwap has them four times
    assert sum(counted["shared"]) > 60 * MIB
    assert 14 * MIB <= found["shared"] <= max(counted["shared"]) + 2 * MIB


@pytest.mark.parametrize("name", CAPTURES)
def test_tmpfs_has_the_rest(guest: Guest, name: str) -> None:
    used = sum(int(line.split()[3]) * 1024 for line in (guest.out / "swaps").read_text().splitlines()[1:])
    of_comm, of_category = bounds(guest, name, "comm"), bounds(guest, name, "category")
    # THEN the file of 32 MiB is in the bound, less what the kernel's counters may lack
    assert 20 * MIB <= of_category["tmpfs/shmem"] == of_comm[None] <= 33 * MIB
    # AND all that is known is in use
    assert 0.7 * used <= sum(of_category.values()) <= used + 2 * MIB


@pytest.mark.parametrize("name", CAPTURES)
def test_cgroups_have_what_the_kernel_counts_for_them(guest: Guest, name: str) -> None:
    lines = (line.split() for line in (guest.out / "cgroups").read_text().splitlines())
    counted = {path: int(size) for path, size in lines}
    found = bounds(guest, name, "memcg")
    for path, size in counted.items():
        assert size > 20 * MIB
        assert abs(found[path] - size) <= 256 * 4096
    # AND the cgroup above has none of its own
    assert found.get("/a", 0) <= 256 * 4096


@pytest.mark.parametrize("name", CAPTURES)
def test_slab_caches_are_those_of_awk(guest: Guest, name: str) -> None:
    snap = spo.open(guest.out / name)
    if guest.name == "7.2-stock":
        # SLUB_TINY has no slabinfo
        with pytest.raises(spo.SpoTraceError, match="no slab caches"):
            spo.attribute(snap, "slab_cache")
        return
    table = spo.attribute(snap, "slab_cache")
    total = int(table["mem_bytes"].sum())
    meminfo = snap.meta.machine.meminfo["Slab"]
    # Large kmalloc allocations are in Slab and in the category, but in no cache
    of_slab = 'category == "slab"'
    of_large = f'{of_slab} and symbols.str.contains("kmalloc_large")'
    slab, large = (int(spo.attribute(snap, [], where=where)["mem_bytes"].sum()) for where in (of_slab, of_large))
    assert large > 0
    assert abs(slab - meminfo) <= 64 * 4096
    assert abs(total + large - meminfo) <= 64 * 4096
    if name == "text.spo":
        return
    with tarfile.open(guest.out / name) as archive:
        (member,) = (one for one in archive if re.fullmatch(r".*/slabinfo", one.name))
        text = archive.extractfile(member)
        assert text is not None
        script = "NR > 2 && $15 * $6 { sum[$1] += $15 * $6 } END { for (name in sum) print name, 4096 * sum[name] }"
        done = subprocess.run(["awk", script], input=text.read(), capture_output=True, check=True)
    expected = {
        unescape(cache).decode(): int(size) for cache, size in map(str.split, done.stdout.decode().splitlines())
    }
    assert dict(zip(table["slab_cache"], table["mem_bytes"], strict=True)) == expected
