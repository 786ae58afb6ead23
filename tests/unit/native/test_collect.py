# SPDX-License-Identifier: LGPL-2.1-or-later
"""The collector: the same capture in C and in Python, from which spo-trace reads what the kernel printed."""

import io
import lzma
import os
import random
import re
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from spo_trace import limits
from spo_trace.collect.snapshot import collect as snapshot
from spo_trace.formats.missing import Missing
from spo_trace.sources.capture import CaptureSource
from spo_trace.sources.source import PATHS
from tests.collectors import OF_RUN, PYTHON, SANITIZE, SOURCES, collect, compile_collector, restored, texts_of, tree
from tests.fuzz.fuzz_page_owner import mutate, seeds
from tests.support import ANON, CARRIED, FS, MACHINE, SHMEM, Files, entry, meminfo, page

MIGRATED = b"Page has been migrated, last migrate reason: compaction\n"
CHARGED = b"Charged (via objcg) to offline memcg a b), c\n"
STAGES = sorted(CARRIED.glob("*/*"))
STACKS = (ANON, FS, SHMEM, (*ANON, b"0xffffffffc0000000"), (b"f+0x1/0x2 [m]",))

needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")

Command = Sequence[str]


def records(count: int, start: int = 1) -> bytes:
    """Return records with several stacks and tails."""
    tails = (b"", MIGRATED, b"Slab cache page\n", CHARGED, MIGRATED + CHARGED)
    return b"".join(
        page(pfn, 0, b"c%d" % (pfn % 9), ts=pfn * 7919, stack=STACKS[pfn % 5], tail=tails[pfn * 7 % 5])
        for pfn in range(start, start + count)
    )


def entries(count: int) -> bytes:
    """Return swap entries with several stacks."""
    return b"".join(entry(n + 1, stack=STACKS[n % 3]) for n in range(count))


FILES: Files = {
    **MACHINE,
    "page_owner": records(500),
    "swap_page_owner": entries(200),
    "meminfo": meminfo(),
    "meminfo-after": meminfo(free=800),
    "show_stacks": b"".join(b" %b\n" % frame for frame in ANON) + b"nr_base_pages: 5\n\n",
    "show_stacks_handles": b" a+0x1/0x2\nhandle: 7\n\n",
    "kpagecgroup": bytes(range(256)) * 1000,
}


def taken(command: Command, root: Path, target: Path, *options: str, **env: str) -> Path:
    """Collect without an error."""
    done = collect(command, root, target, *options, env=env)
    assert (done.returncode, done.stderr) == (0, b"")
    return target


def results(directory: Path, name: str) -> tuple[list[pa.Table], list[tuple[str, bytes]]]:
    """Return the tables of a capture's snapshot, without handles, and the text of its rejects."""
    target = directory.parent / f"{directory.name}-{name}.spo"
    snap = snapshot(CaptureSource([directory]), target, jobs=1)
    tables = [snap.pages, snap.swap, snap.stacks.drop(columns="handle")]
    rejects = target / "rejects.txt"
    text = rejects.read_bytes() if rejects.exists() else b""
    # The places are those of other texts.
    return [pa.Table.from_pandas(table) for table in tables], re.findall(rb"^(?!#).*$", text, re.MULTILINE)


def flat(directory: Path, files: Files) -> Path:
    """Write the plain files of a capture."""
    directory.mkdir()
    for name, content in files.items():
        (directory / name).write_bytes(content)
    return directory


def test_each_stack_is_printed_once(collector: Command, tmp_path: Path) -> None:
    # WHEN a tree is collected
    texts = texts_of(taken(collector, tree(tmp_path / "root", FILES), tmp_path / "x"))
    # THEN records have handles, from 1 in the order of the stacks, in page_owner and swap_page_owner alike
    lines = [b"".join(b" %b\n" % frame for frame in stack) for stack in STACKS]
    order = [*range(1, 5), 0]
    for name in ("page_owner", "swap_page_owner"):
        expected = FILES[name]
        for number, stack in enumerate(order, 1):
            expected = re.sub(rb"(?<=\n)%b(?! )" % re.escape(lines[stack]), b"handle: %d\n" % number, expected)
        assert texts[name] == expected
    # AND the stacks of these handles are written in place of the kernel's list
    assert texts["show_stacks_handles"] == b"".join(
        lines[stack] + b"handle: %d\n\n" % number for number, stack in enumerate(order, 1)
    )
    assert texts["handles"] == b"collector\n"
    assert texts["show_stacks"] == FILES["show_stacks"]
    assert texts["kpagecgroup"] == FILES["kpagecgroup"]
    assert "show_handles" not in texts
    assert "show_handles.err" not in texts


def test_both_collectors_write_the_same_bytes(in_c: Command, tmp_path: Path) -> None:
    root = tree(tmp_path / "root", {**FILES, "page_owner": records(9000)})
    first, second = (taken(command, root, tmp_path / name) for name, command in (("c", in_c), ("py", PYTHON)))
    assert sorted(path.name for path in first.iterdir()) == sorted(path.name for path in second.iterdir())
    for path in first.iterdir():
        if path.name not in OF_RUN:
            assert path.read_bytes() == (second / path.name).read_bytes(), path.name
    reads = [[line.split()[0] for line in (made / "reads").read_text().splitlines()] for made in (first, second)]
    assert reads == [["page_owner", "show_stacks", "kpagecgroup", "swap_page_owner"]] * 2


@needs_cc
def test_without_zlib_gzip_compresses(tmp_path: Path) -> None:
    command = compile_collector(tmp_path / "spo-collect", *SANITIZE, zlib=False)
    root = tree(tmp_path / "root", FILES)
    plain, packed = taken(PYTHON, root, tmp_path / "py"), taken(command, root, tmp_path / "c")
    assert (packed / "page_owner.gz").exists()
    assert texts_of(plain) == texts_of(packed)


@pytest.mark.parametrize("stage", STAGES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_the_snapshot_is_that_of_the_plain_text(optimized: Command, stage: Path, tmp_path: Path) -> None:
    # GIVEN the files of a real kernel
    files = {path.name.removesuffix(".xz"): lzma.decompress(path.read_bytes()) for path in stage.glob("*.xz")}
    made = taken(optimized, tree(tmp_path / "root", files), tmp_path / "made")
    # THEN the capture of them gives the same rows, stacks and rejects
    expected = results(flat(tmp_path / "plain", files), "plain")
    assert results(made, "made") == expected
    # AND also if the reader does not know the file `handles`, as before there was one
    (made / "handles").unlink()
    assert results(made, "unknowing") == expected


def test_numbers_of_the_collector_are_not_the_kernels_handles(tmp_path: Path) -> None:
    made = taken(PYTHON, tree(tmp_path / "root", FILES), tmp_path / "made")
    assert snapshot(CaptureSource([made]), tmp_path / "a.spo").stacks.handle.isna().all()
    # Without the note, they would be taken for the kernel's.
    (made / "handles").unlink()
    assert snapshot(CaptureSource([made]), tmp_path / "b.spo").stacks.handle.notna().all()


@pytest.mark.parametrize("mode", ["handle", "stack_handle"])
def test_handles_that_the_kernel_prints_are_kept(collector: Command, mode: str, tmp_path: Path) -> None:
    # GIVEN a kernel in a print mode
    lines = b"".join(b" %b\n" % frame for frame in ANON)
    stack = () if mode == "handle" else ANON
    text = page(1, stack=stack, tail=b"handle: 77\n") + page(2, stack=stack, tail=b"handle: 77\n")
    files = {**FILES, "page_owner": text, "show_stacks_handles": lines + b"handle: 77\n\n"}
    # WHEN it is collected, THEN its text and its list of handles stay as they are
    made = taken(collector, tree(tmp_path / "root", files), tmp_path / "made")
    texts = texts_of(made)
    assert (texts["page_owner"], texts["handles"]) == (text, b"kernel\n")
    assert texts["show_stacks_handles"] == files["show_stacks_handles"]
    assert texts["swap_page_owner"] == files["swap_page_owner"]
    assert snapshot(CaptureSource([made]), tmp_path / "a.spo").stacks.handle[0] == 77


def test_damaged_records_stay_as_they_are(in_c: Command, tmp_path: Path) -> None:
    choose = random.Random(3)
    inputs = [*seeds(), b"\0" + records(20), b"\0" + entries(20), b"\0" + page(1, tail=MIGRATED) * 3]
    texts = [mutate(choose, inputs)[1:] for _ in range(30)]
    texts += [records(30)[:cut] for cut in range(0, 2000, 161)]
    # A comm that looks like the following lines, and lines that look like frames or like the kernel's handles.
    texts += [
        page(1, comm=comm) * 2
        for comm in (b")\n\n", b"\nPFN 1 type \n", b" ns\nPFN \n 0x1\n", b"), ts 1 ns\nPFN ", b"x\0y", b"x" * 16)
    ]
    texts += [page(1, stack=(*ANON, odd), tail=odd + b"\n") for odd in (b"x", b" a", b"a+0x1/0x2 [m", b"handle: 5")]
    texts += [page(1, stack=(frame,)) for frame in (b"0x1", b"a" * 990 + b"+0x1/0x2", b"a" * 999 + b"+0x1/0x2")]
    texts += [page(1, stack=ANON * 400) + page(2), b"\n" + page(1), b"junk\n" * 40000 + page(3), page(1)[:-1] + page(2)]
    texts += [(b"x" * (1 << 17))[:-size] + b"\n" + page(1) for size in (1, 2, 19, 20, 21, 32, 33)]
    for number, text in enumerate(texts):
        files = {**MACHINE, "page_owner": text, "swap_page_owner": text}
        root = tree(tmp_path / f"{number}", files)
        # WHEN damaged text is collected by a collector with sanitizers and by the one in Python
        made, other = taken(in_c, root, tmp_path / f"{number}-c"), taken(PYTHON, root, tmp_path / f"{number}-py")
        # THEN both write the same
        assert texts_of(made) == texts_of(other), text
        # AND what is read and what is rejected is the same as of the text itself
        if number % 5 == 0:
            assert outcome(made, "made") == outcome(flat(tmp_path / f"{number}-plain", files), "plain"), text


def outcome(directory: Path, name: str) -> object:
    """Return the results of a capture, or its error."""
    from spo_trace.errors import SpoTraceError

    try:
        return results(directory, name)
    except SpoTraceError as error:
        return re.sub(r"\d+", "N", str(error).replace(str(directory), ""))


PFNS = [*range(1, 60), *range(3000, 3050), *range(9000, 9010), 70000, 70001]


@pytest.mark.parametrize("lowest", ["0", "1"], ids=["6.1", "5.10"])
@pytest.mark.parametrize("large", [[], [7], [1, 2, 3], [59, 3000], [2048], [9009], [70001], [3000, 3001, 70000]])
def test_records_of_the_kernel_are_read_in_order(
    with_kernel: Command, large: list[int], lowest: str, tmp_path: Path
) -> None:
    if lowest == "1" and 1 in large:
        pytest.skip("where positions are not PFNs, the first record shows what they are")
    # GIVEN a kernel of which some records do not fit its buffer, and which may run out of memory at first
    root = tree(tmp_path / "root", {"page_owner": b"".join(records(1, pfn) for pfn in PFNS)})
    env = {"FAKE_LARGE": ",".join(map(str, large)), "FAKE_LOWEST": lowest}
    for readers, failures in (("1", "0"), ("1", "3"), ("3", "0"), ("3", "5")):
        # WHEN one or several readers read it, THEN the capture has all other records in order
        made = taken(with_kernel, root, tmp_path / f"{readers}-{failures}", "-j", readers, **env, FAKE_ENOMEM=failures)
        assert restored(made)["page_owner"] == b"".join(records(1, pfn) for pfn in PFNS if pfn not in large)
        # AND says that some are missing
        error = made / "page_owner.err"
        assert error.exists() == bool(set(large) & set(PFNS))
        if error.exists():
            assert re.fullmatch(r"E2BIG: [1-9] records do not fit the kernel's buffer\n", error.read_text())


def test_a_lasting_lack_of_memory_is_no_empty_file(with_kernel: Command, tmp_path: Path) -> None:
    root = tree(tmp_path / "root", {"page_owner": records(3)})
    done = collect(with_kernel, root, tmp_path / "made", env={"FAKE_ENOMEM": "1000000"})
    assert done.returncode == 1
    made = tmp_path / "made"
    assert (made / "page_owner.err").read_text().startswith("ENOMEM: the kernel ran out of memory")
    assert not (made / "page_owner.gz").exists()


def test_an_error_in_the_middle_leaves_the_records_before_it(with_kernel: Command, tmp_path: Path) -> None:
    files = {**MACHINE, "page_owner": b"".join(records(1, pfn) for pfn in PFNS)}
    made = taken(with_kernel, tree(tmp_path / "root", files), tmp_path / "made", FAKE_EIO="9000")
    snap = snapshot(CaptureSource([made]), tmp_path / "a.spo")
    assert snap.pages.pfn.max() == 3049
    assert snap.meta.files["page_owner"].problem is not None
    assert (made / "page_owner.err").read_text().startswith("EIO: ")


def test_files_that_cannot_be_read_leave_the_reason(collector: Command, tmp_path: Path) -> None:
    # GIVEN a tree without owners
    root = tree(tmp_path / "root", {"meminfo": meminfo()})
    (root / "proc/swaps").mkdir()
    os.mkfifo(root / "proc/vmstat")
    done = collect(collector, root, tmp_path / "made")
    # THEN the exit status says so, and the rest is there
    assert done.returncode == 1
    assert b"page_owner could not be read: is this root" in done.stderr
    made = tmp_path / "made"
    assert (made / "meminfo").read_bytes() == meminfo()
    missing = root / PATHS["page_owner"]
    assert (made / "page_owner.err").read_text() == f"ENOENT: {missing}: No such file or directory\n"
    assert (made / "vmstat.err").read_text().startswith("EIO: ")
    assert (made / "swaps.err").exists()
    assert not (made / "page_owner.gz").exists()
    assert not (made / "vmstat").exists()


def test_files_that_are_too_large_are_cut_off(collector: Command, tmp_path: Path) -> None:
    files = {**FILES, "cmdline": b"x" * (limits.MAX_ONE_LINE_BYTES * 3)}
    made = taken(collector, tree(tmp_path / "root", files), tmp_path / "made")
    assert (made / "cmdline").stat().st_size <= limits.MAX_ONE_LINE_BYTES + 4096
    assert "File too large" in (made / "cmdline.err").read_text()


def test_debugfs_on_another_directory_is_found(collector: Command, tmp_path: Path) -> None:
    mounts = (
        b"30 23 0:7 /tracing /mnt/part rw - debugfs none rw\n40 23 0:7 / /mnt/my\\040debug rw x:1 - debugfs none rw\n"
    )
    moved = {PATHS[name].replace("sys/kernel/debug", "mnt/my debug"): FILES[name] for name in FILES if name in PATHS}
    root = tree(tmp_path / "root", {**moved, "proc/self/mountinfo": mounts})
    made = taken(collector, root, tmp_path / "made")
    assert snapshot(CaptureSource([made]), tmp_path / "x.spo").count("pages") == 500


def test_processes_and_cgroups_are_listed(collector: Command, tmp_path: Path) -> None:
    # GIVEN two processes, one of them a kernel thread and the other one with swap, and nested cgroups
    status = b"Name:\ta\\nb c\nUmask:\t0022\nPid:\t12\nVmRSS:\t       5 kB\nVmSwap:\t      16 kB\n"
    process = b"12 (a) b c) S " + b" ".join(b"%d" % n for n in range(4, 60)) + b"\n"
    group = "sys/fs/cgroup"
    files = {
        "proc/12/status": status,
        "proc/12/stat": process,
        "proc/12/smaps_rollup": b"1-2 ---p 0 0:0 0 [rollup]\nSwap:   16 kB\nSwapPss:      8 kB\n",
        "proc/12/cgroup": b"1:name=x:/no\n0::/a b/c\n",
        "proc/2/status": b"Name:\tkthreadd\nPid:\t2\n",
        "proc/2/stat": process.replace(b"12", b"2", 1),
        "proc/self/mountinfo": b"30 23 0:7 / /sys/fs/cgroup rw - cgroup2 none rw\n",
        f"{group}/cgroup.procs": b"",
        f"{group}/a b/memory.swap.current": b"4096\n",
        f"{group}/a b/c/memory.swap.current": b"0\n",
    }
    root = tree(tmp_path / "root", {**FILES, **files})
    (root / group / "link").symlink_to("a b")
    texts = texts_of(taken(collector, root, tmp_path / "made"))
    # THEN each has its lines
    processes = set(texts["processes"].split(b"\n\n")) - {b""}
    assert processes == {
        b"Pid:\t12\nName:\ta\\nb c\nVmSwap:\t      16 kB\nSwapPss:      8 kB\nStartTime:\t22\nCgroup:\t/a b/c",
        b"Pid:\t2\nName:\tkthreadd\nStartTime:\t22",
    }
    inodes = {name: (root / group / name).stat().st_ino for name in ("", "a b", "a b/c")}
    assert sorted(texts["cgroups"].decode().splitlines()) == sorted(
        [f"{inodes['']} - /", f"{inodes['a b']} 4096 /a b", f"{inodes['a b/c']} 0 /a b/c"]
    )


@pytest.mark.parametrize(
    ("resident", "swap", "is_read"), [(1048576 - 16, 16, True), (1048576 - 12, 16, False), (5, 0, False), (0, 16, True)]
)
def test_page_tables_of_large_processes_are_not_walked(
    collector: Command, tmp_path: Path, resident: int, swap: int, is_read: bool
) -> None:
    status = b"Name:\ta\n" + (b"VmRSS:\t%8d kB\n" % resident if resident else b"") + b"VmSwap:\t%8d kB\n" % swap
    files = {"proc/12/status": status, "proc/12/smaps_rollup": b"SwapPss:      8 kB\n"}
    texts = texts_of(taken(collector, tree(tmp_path / "root", {**FILES, **files}), tmp_path / "made"))
    assert (b"SwapPss:      8 kB" in texts["processes"]) == is_read


def test_stacks_that_block_are_left_out(collector: Command, tmp_path: Path) -> None:
    # GIVEN a page_owner_stacks that can be read forever
    root = tree(tmp_path / "root", FILES)
    (root / PATHS["show_stacks"]).unlink()
    os.mkfifo(root / PATHS["show_stacks"])
    made = taken(collector, root, tmp_path / "made", "-t", "0.2")
    # THEN the rest is collected
    source = CaptureSource([made])
    assert source.open("show_stacks") is None
    assert source.why_missing("show_stacks").code is Missing.BLOCKED
    assert snapshot(source, tmp_path / "x.spo").count("pages") == 500


def test_the_capture_is_private_and_complete(collector: Command, tmp_path: Path) -> None:
    made = taken(collector, tree(tmp_path / "root", FILES), tmp_path / "made")
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.iterdir()} == {0o600}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "root"]


@pytest.mark.parametrize("kind", ["file", "directory", "link", "dangling"])
def test_nothing_is_replaced(collector: Command, kind: str, tmp_path: Path) -> None:
    root, target = tree(tmp_path / "root", FILES), tmp_path / "made"
    if kind == "file":
        target.write_bytes(b"mine")
    elif kind == "directory":
        target.mkdir()
    else:
        target.symlink_to("root" if kind == "link" else "nowhere")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    done = collect(collector, root, target)
    assert done.returncode == 1
    assert b"exists already" in done.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("target", [".", "..", "/", "no/where", "x/.."])
def test_a_target_that_cannot_be_created_is_an_error(collector: Command, target: str, tmp_path: Path) -> None:
    root = tree(tmp_path / "root", FILES)
    done = subprocess.run([*collector, "-r", root, target], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"spo-collect: ")
    assert done.stderr.count(b"\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


def test_the_archive_has_the_same_files(collector: Command, tmp_path: Path) -> None:
    root = tree(tmp_path / "root", FILES)
    made = taken(collector, root, tmp_path / "made")
    done = subprocess.run([*collector, "-r", root], capture_output=True, check=True, timeout=60)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        members = archive.getmembers()
        found = {member.name: archive.extractfile(member).read() for member in members}  # type: ignore[union-attr]
    files = {f"spo-trace-capture/{path.name}": path.read_bytes() for path in made.iterdir()}
    assert found.keys() == files.keys()
    of_run = {f"spo-trace-capture/{name}" for name in OF_RUN}
    assert {name: found[name] for name in found.keys() - of_run} == {
        name: files[name] for name in files.keys() - of_run
    }
    assert {member.mode for member in members} == {0o600}
    assert len(done.stdout) % tarfile.RECORDSIZE == 0
    (tmp_path / "x.tar").write_bytes(done.stdout)
    assert snapshot(CaptureSource([tmp_path / "x.tar"]), tmp_path / "x.spo").count("pages") == 500


def test_archives_of_any_length_end_with_a_whole_record(collector: Command, tmp_path: Path) -> None:
    root = tree(tmp_path / "root", {"page_owner": records(1), "meminfo": b""})
    lengths = set()
    for blocks in range(tarfile.RECORDSIZE // tarfile.BLOCKSIZE):
        (root / PATHS["meminfo"]).write_bytes(b"M" * (blocks + 1) * tarfile.BLOCKSIZE)
        archive = subprocess.run([*collector, "-r", root], capture_output=True, check=True, timeout=60).stdout
        assert len(archive) % tarfile.RECORDSIZE == 0
        with tarfile.open(fileobj=io.BytesIO(archive)) as members:
            sizes = {member.name: member.size for member in members}
        assert sizes["spo-trace-capture/meminfo"] == (blocks + 1) * tarfile.BLOCKSIZE
        lengths.add(len(archive))
    assert len(lengths) == 2


@pytest.mark.parametrize(
    "options",
    [["-j", "0"], ["-j", "9"], ["-t", "x"], ["-t", "0"], ["-t", "nan"], ["-p", "x"], ["-r", "/nowhere"], ["a", "b"]],
)
def test_wrong_options_are_errors(collector: Command, options: list[str]) -> None:
    done = subprocess.run([*collector, *options], capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"spo-collect: ")


def test_both_have_the_same_help(in_c: Command) -> None:
    first, second = (subprocess.check_output([*command, "-h"]) for command in (in_c, PYTHON))
    # Python cannot read memory.
    without_memory, number = re.subn(rb" \[-m PLAN\]|^  -m PLAN .*\n", b"", first, flags=re.MULTILINE)
    assert (without_memory, number) == (second, 2)
    unknown = [subprocess.run([*command, "-z"], capture_output=True, check=False) for command in (in_c, PYTHON)]
    assert [done.returncode for done in unknown] == [2, 2]


def test_the_limits_are_those_of_limits_py() -> None:
    macros = dict(re.findall(r"#define (MAX_\w+|PATH_BYTES) (.+)", (SOURCES / "collect/collect.h").read_text()))
    del macros["MAX_MOUNTINFO_BYTES"]
    assert eval(macros.pop("PATH_BYTES")) == limits.MAX_PATH_BYTES
    assert macros
    for name, value in macros.items():
        assert eval(value) == getattr(limits, name), name
    text = (SOURCES / "collect/memory_lack.c").read_text() + (SOURCES / "collect/records.c").read_text()
    pauses = dict(re.findall(r"#define (\w+) (\d+)\n", text))
    assert int(pauses["FIRST_PAUSE_US"]) == limits.ENOMEM_FIRST_PAUSE * 1e6
    assert int(pauses["MAX_PAUSES"]) == limits.MAX_ENOMEM_PAUSES
    assert int(pauses["MAX_ENOMEM_US"]) == limits.MAX_ENOMEM_SECONDS * 1e6
