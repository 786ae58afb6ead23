# SPDX-License-Identifier: LGPL-2.1-or-later
"""Paths of memory cgroups and the kernel's own counts of sites, on real kernels."""

import re
import tarfile

import pytest

import spo_trace as spo
from tests.vm.support import Guest, boot

pytestmark = pytest.mark.vm

FULL = "7.2-spo-full"
MIB = 1 << 20

# Two cgroups of one name hold 24 and 12 MiB of anonymous memory each.
JOB = r"""
root=/sys/fs/cgroup
echo +memory > $root/cgroup.subtree_control
for parent in a b; do
    mkdir $root/$parent
    echo +memory > $root/$parent/cgroup.subtree_control
    mkdir $root/$parent/web
done
hold() {
    (
        echo $BASHPID > "$root/$1/cgroup.procs"
        exec python3 -I -S - "$2" "$3" <<'HELD'
import mmap, pathlib, sys, time
memory = mmap.mmap(-1, int(sys.argv[1]) << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for at in range(0, len(memory), 4096):
    memory[at] = 1
pathlib.Path(sys.argv[2]).touch()
time.sleep(100000)
HELD
    ) > /dev/null 2>&1 &
}
hold a/web 24 /run/held-a
hold b/web 12 /run/held-b
until [ -e /run/held-a ] && [ -e /run/held-b ]; do sleep 0.5; done
for method in text memory; do
    spo-trace snapshot --method $method -o /run/$method.spo || exit 1
done
"$VM/../../spo_trace/native/spo-collect" > "$OUT/collected.tar" || exit 1
sh "$VM/../../spo_trace/capture.sh" - > "$OUT/script.tar.gz" || exit 1
for parent in a b; do cat $root/$parent/web/memory.stat > "$OUT/stat-$parent"; done
cp -r /run/text.spo /run/memory.spo "$OUT"
"""


@pytest.fixture(scope="module", params=["6.12-stock", FULL])
def guest(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Guest:
    """Return a guest with two cgroups of one name."""
    cmdline = "page_owner=on" + (" sysctl.vm.mem_profiling=1" if request.param == FULL else "")
    return boot(request.param, cmdline, JOB, tmp_path_factory.mktemp(request.param), memory_mib=640)


def stat(guest: Guest, parent: str) -> int:
    """Return the anonymous memory that the kernel counts for a cgroup."""
    found = re.search(r"^anon (\d+)$", (guest.out / f"stat-{parent}").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


@pytest.mark.parametrize("name", ["text.spo", "memory.spo", "collected.tar", "script.tar.gz"])
def test_one_name_below_two_parents_is_two_rows(guest: Guest, name: str) -> None:
    snap = spo.open(guest.out / name)
    rows = spo.attribute(snap, ["memcg", "category"]).set_index(["memcg", "category"])["mem_bytes"]
    # THEN the anonymous memory of each is what the kernel counts for it
    for parent, held in (("a", 24 * MIB), ("b", 12 * MIB)):
        counted = stat(guest, parent)
        assert counted >= held
        assert abs(rows[f"/{parent}/web", "anon"] - counted) <= 64 * 4096
    # AND no page of theirs has its name alone
    leaf = rows.get(("web", "anon"), 0)
    assert leaf <= 16 * 4096


def test_memory_and_text_have_the_same_paths(guest: Guest) -> None:
    text, memory = (spo.open(guest.out / f"{name}.spo") for name in ("text", "memory"))
    assert (text.meta.method, memory.meta.method) == ("text", "memory")
    both = text.pages.merge(memory.pages, on=["pfn", "ts_nsec", "pid", "memcg"], suffixes=("", "_of_memory"))
    known = both.dropna(subset=["memcg_path"])
    assert len(known) > 5000
    assert (known["memcg_path"].astype(str) == known["memcg_path_of_memory"].astype(str)).mean() > 0.999


def test_sites_are_those_that_the_kernel_counts(guest: Guest) -> None:
    if guest.name != FULL:
        with pytest.raises(spo.SpoTraceError, match="no counts of sites"):
            spo.attribute(guest.out / "text.spo", "site")
        return
    for name in ("collected.tar", "script.tar.gz"):
        # GIVEN the text of a capture
        with tarfile.open(guest.out / name) as archive:
            (member,) = (one for one in archive if one.name.endswith("/allocinfo"))
            text = archive.extractfile(member)
            assert text is not None
            lines = [line.split() for line in text.read().splitlines()[2:]]
        # THEN each line is a site, and nothing is missing in their sum
        snap = spo.open(guest.out / name)
        sites = snap.read("sites")
        assert snap.meta.files["allocinfo"].malformed == 0
        assert len(sites) == len(lines) > 1000
        assert int(sites["bytes"].sum()) == sum(int(line[0]) for line in lines)
        assert int(sites["calls"].sum()) == sum(int(line[1]) for line in lines)
        assert spo.attribute(snap, "site")["mem_bytes"].sum() == sites["bytes"].clip(lower=0).sum()
        # AND the pages of slab are those of meminfo, and those that page_owner lists
        slab = int(sites["bytes"][sites["function"] == "alloc_slab_page"].sum())
        assert abs(slab - snap.meta.machine.meminfo["Slab"]) < 2 * MIB
        assert spo.verdicts(snap, parts=["sites"])["verdict"].tolist() == ["balanced"]
