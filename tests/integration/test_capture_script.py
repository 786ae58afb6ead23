# SPDX-License-Identifier: LGPL-2.1-or-later
"""The capture script, under several shells and against a tree of files instead of a machine."""

import os
import shutil
import signal
import subprocess
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest

from spo_trace.files.bundled import capture_script
from spo_trace.formats.missing import Missing
from spo_trace.formats.text import KernelText
from spo_trace.formats.text_reader import chunks_in
from spo_trace.sources.capture import CaptureSource
from spo_trace.sources.source import PATHS, STACK_FILES
from tests.support import AS_A_TERMINAL, Files, capture, entry, in_process, page

SHELLS = {"dash": ["dash"], "busybox": ["busybox", "sh"], "bash": ["bash", "--posix"], "mksh": ["mksh"]}
SCRIPT = capture_script()

PROC = (
    "meminfo",
    "swaps",
    "zoneinfo",
    "vmstat",
    "cmdline",
    "uptime",
    "boot_id",
    "slabinfo",
    "allocinfo",
    "buddyinfo",
    "pagetypeinfo",
    "block_size_bytes",
    "kpagecgroup",
)
CGROUPS: Files = {
    "proc/self/mountinfo": b"30 23 0:7 / /sys/fs/my\\040cgroup rw - cgroup2 none rw\n",
    "sys/fs/my cgroup/cgroup.procs": b"",
    "sys/fs/my cgroup/a b), c/memory.swap.current": b"4096\n",
    "sys/fs/my cgroup/a b), c/web/memory.swap.current": b"0\n",
}
OWNERS = {"sys/kernel/debug/page_owner": page() * 1000, "sys/kernel/debug/swap_page_owner": entry(1) * 1000}
STACKS = {f"sys/kernel/debug/page_owner_stacks/{name}": name.encode() for name in STACK_FILES}
PROCESSES: Files = {
    "proc/12/status": b"Name:\ta\\nb c\nPid:\t12\nVmRSS:\t     100 kB\nVmSwap:\t      16 kB\n",
    "proc/12/stat": b"12 (a\nb) c S) S " + b" ".join(b"%d" % n for n in range(4, 60)) + b"\n",
    "proc/12/smaps_rollup": b"1-2 ---p 0 0:0 0 [rollup]\nSwap:      16 kB\nSwapPss:               8 kB\n",
    "proc/12/cgroup": b"1:name=x:/no\n0::/a b/c\n",
    "proc/2/status": b"Name:\tkthreadd\nPid:\t2\n",
}
LISTED = (
    b"Pid:\t12\nName:\ta\\nb c\nVmSwap:\t      16 kB\nSwapPss:               8 kB\nStartTime:\t22\nCgroup:\t/a b/c\n\n"
    b"Pid:\t2\nName:\tkthreadd\n\n"
)
MACHINE: Files = {**{PATHS[name]: name.encode() for name in PROC}, **OWNERS, **STACKS, **CGROUPS, **PROCESSES}


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> list[str]:
    """Return the command of a shell; skip the test if it is not installed."""
    command = SHELLS[request.param]
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]}")
    return command


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the file tree of a machine that has all files."""
    return capture(tmp_path / "root", MACHINE)


def run(
    shell: list[str], root: Path, *arguments: str, path: str | None = None, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the script from standard input, as over ssh, in the parent directory of `root`."""
    environment = {"PATH": path or os.environ["PATH"], "SPO_TRACE_ROOT": str(root), **environment}
    command = [*shell, "-s", "--", *arguments]
    with SCRIPT.open("rb") as script:
        return subprocess.run(
            command, cwd=root.parent, stdin=script, env=environment, capture_output=True, timeout=60, check=False
        )


def tools(directory: Path, *names: str, **scripts: str) -> str:
    """Return a PATH with a directory that contains only these programs and scripts."""
    directory.mkdir()
    for name in names:
        program = shutil.which(name)
        assert program is not None
        (directory / name).symlink_to(program)
    for name, text in scripts.items():
        (directory / name).write_text(f"#!/bin/sh\n{text}\n")
        (directory / name).chmod(0o755)
    return str(directory)


TOOLS = (
    "cat",
    "date",
    "uname",
    "id",
    "getconf",
    "mkdir",
    "rm",
    "tar",
    "head",
    "sleep",
    "grep",
    "wc",
    "dirname",
    "basename",
)


def text_of(source: CaptureSource, name: str) -> bytes | None:
    """Return the content of a file."""
    text: KernelText | None = source.open(name)
    return None if text is None else b"".join(chunks_in(text))


def test_the_command_prints_the_script(tmp_path: Path) -> None:
    assert in_process("capture-script", cwd=tmp_path).stdout == SCRIPT.read_bytes()


def test_debugfs_on_another_directory_is_found(shell: list[str], tmp_path: Path) -> None:
    mounts = (
        b"30 23 0:7 /tracing /mnt/part rw - debugfs none rw\n40 23 0:7 / /mnt/my\\040debug rw x:1 - debugfs none rw\n"
    )
    mounts += CGROUPS["proc/self/mountinfo"]
    moved = {name.replace("sys/kernel/debug", "mnt/my debug"): content for name, content in MACHINE.items()}
    root = capture(tmp_path / "root", moved | {"proc/self/mountinfo": mounts})
    assert run(shell, root).returncode == 0
    source = CaptureSource([str(tmp_path / "capture.tar.gz")])
    assert text_of(source, "page_owner") == page() * 1000
    assert text_of(source, "show_stacks") == b"show_stacks"


def test_everything_is_captured(shell: list[str], root: Path) -> None:
    # WHEN the script runs
    done = run(shell, root)
    # THEN the archive is the only file, is private, and its path is printed
    assert (done.returncode, done.stdout) == (0, b"")
    archive = root.parent / "capture.tar.gz"
    assert f"wrote {archive}".encode() in done.stderr
    assert sorted(path.name for path in root.parent.iterdir()) == ["capture.tar.gz", "root"]
    assert archive.stat().st_mode & 0o077 == 0
    # AND it contains every file that a source can have, the large ones compressed
    with tarfile.open(archive) as members:
        names = {Path(name).name for name in members.getnames()}
    # (getconf -a occurs in a sosreport; the file pagesize replaces it. Only the collector writes the others.)
    compressed = {"page_owner", "swap_page_owner", "kpagecgroup"}
    assert names == PATHS.keys() - compressed - {"getconf", "handles"} | {
        *(f"{name}.gz" for name in compressed),
        "capture",
    }
    source = CaptureSource([archive])
    for path, content in MACHINE.items():
        if path not in {**CGROUPS, **PROCESSES}:
            assert text_of(source, Path(path).name) == content
    assert text_of(source, "processes") == LISTED
    mounted = root / "sys/fs/my cgroup"
    inodes = [path.stat().st_ino for path in (mounted, mounted / "a b), c", mounted / "a b), c/web")]
    lines = [f"{inodes[0]} - /", f"{inodes[1]} 4096 /a b), c", f"{inodes[2]} 0 /a b), c/web"]
    assert (text_of(source, "cgroups") or b"").decode().splitlines() == lines
    assert archive.stat().st_size < len(MACHINE["sys/kernel/debug/page_owner"]) / 30


def test_the_archive_goes_to_standard_output(shell: list[str], root: Path) -> None:
    done = run(shell, root, "-")
    assert done.returncode == 0
    assert [path.name for path in root.parent.iterdir()] == ["root"]
    (root.parent / "x").write_bytes(done.stdout)
    assert text_of(CaptureSource([root.parent / "x"]), "page_owner") == MACHINE["sys/kernel/debug/page_owner"]


@pytest.mark.parametrize("name", ["then", "then.tar.gz", "then.tar", "then.tgz"])
def test_the_archive_name_can_be_given(root: Path, name: str) -> None:
    assert run(["sh"], root, name).returncode == 0
    assert (root.parent / "then.tar.gz").is_file()
    assert run(["sh"], root, str(root.parent / "other")).returncode == 0
    assert (root.parent / "other.tar.gz").is_file()


@pytest.mark.parametrize("existing", ["capture/mine", "capture.tar.gz"])
def test_nothing_is_overwritten(shell: list[str], root: Path, existing: str) -> None:
    capture(root.parent, {existing: b"mine"})
    done = run(shell, root)
    assert done.returncode == 1
    assert b"exists" in done.stderr
    assert (root.parent / existing).read_bytes() == b"mine"
    assert len(list(root.parent.iterdir())) == 2


def test_a_link_at_the_archives_path_is_not_followed(shell: list[str], root: Path) -> None:
    (root.parent / "capture.tar.gz").symlink_to(root.parent / "elsewhere")
    assert run(shell, root).returncode == 1
    assert not (root.parent / "elsewhere").exists()


def test_without_gzip_nothing_is_compressed(shell: list[str], root: Path, tmp_path: Path) -> None:
    done = run(shell, root, path=tools(tmp_path / "bin", *TOOLS, shell[0]))
    if shell[0] == "busybox" and (tmp_path / "capture.tar.gz").exists():
        pytest.skip("this busybox has a gzip of its own")
    assert done.returncode == 0, done.stderr
    assert text_of(CaptureSource([tmp_path / "capture.tar"]), "page_owner") == MACHINE["sys/kernel/debug/page_owner"]


def test_the_page_size_is_known_without_getconf(shell: list[str], root: Path, tmp_path: Path) -> None:
    path = tools(tmp_path / "bin", *(set(TOOLS) - {"getconf"}), "tr", shell[0])
    assert run(shell, root, path=path).returncode == 0
    (archive,) = tmp_path.glob("capture.tar*")
    assert text_of(CaptureSource([archive]), "pagesize") == b"%d\n" % os.sysconf("SC_PAGESIZE")


def test_a_machine_without_page_owner_gives_the_reason_and_the_rest(shell: list[str], tmp_path: Path) -> None:
    # GIVEN a machine without a mounted debugfs, and a user with another locale
    root = capture(tmp_path / "root", {PATHS["meminfo"]: b"x"})
    # WHEN the script runs
    done = run(shell, root, LC_ALL="de_DE.UTF-8", LANG="de_DE.UTF-8", LANGUAGE="de")
    # THEN it fails, prints the reason, and the archive contains the codes
    assert done.returncode == 1
    assert b"page_owner could not be read: ENOENT: " in done.stderr
    assert b"is debugfs mounted" in done.stderr
    with tarfile.open(tmp_path / "capture.tar.gz") as archive:
        names = {Path(name).name for name in archive.getnames()}
        assert {"page_owner.err", "show_stacks.err", "swaps.err", "meminfo"} <= names
        assert not names & {"page_owner.gz", "show_stacks", "swaps"}
        said = archive.extractfile("capture/swap_page_owner.err")
        assert said is not None and said.read().startswith(b"ENOENT: ")


def test_a_failing_read_is_noticed_with_gzip(root: Path, tmp_path: Path) -> None:
    # GIVEN a `cat` that fails in the middle of page_owner and at once for swap_page_owner, as with a real kernel
    script = """case $1 in
*/swap_page_owner) echo "cat: $1: Invalid argument" >&2; exit 1 ;;
*/page_owner) echo "Page allocated via order"; echo "cat: $1: Cannot allocate memory" >&2; exit 1 ;;
*) exec /bin/cat "$@" ;;
esac"""
    done = run(["sh"], root, path=tools(tmp_path / "bin", *(set(TOOLS) - {"cat"}), "gzip", "sh", cat=script))
    assert done.returncode == 0, done.stderr
    source = CaptureSource([tmp_path / "capture.tar.gz"])
    # THEN the truncated file is marked, and the other one is missing with its reason
    text = source.open("page_owner")
    assert text is not None and text.outcome.problem is not None and "Cannot allocate memory" in text.outcome.problem
    assert source.open("swap_page_owner") is None
    assert source.why_missing("swap_page_owner").code is Missing.NOT_SWITCHED_ON


def test_stacks_that_block_are_left_out(shell: list[str], root: Path, tmp_path: Path) -> None:
    # GIVEN a page_owner_stacks that can be read forever
    stacks = root / PATHS["show_stacks"]
    stacks.unlink()
    os.mkfifo(stacks)
    # WHEN the script runs with a pipe as its output
    done = run(shell, root, SPO_TRACE_STACKS_TIMEOUT="1")
    # THEN it ends, and has captured the other files
    assert done.returncode == 0
    source = CaptureSource([tmp_path / "capture.tar.gz"])
    assert text_of(source, "page_owner") == MACHINE["sys/kernel/debug/page_owner"]
    assert [source.why_missing(name).code for name in STACK_FILES] == [Missing.BLOCKED] * 3


def test_the_script_does_not_wait_for_a_stuck_reader(root: Path, tmp_path: Path) -> None:
    # GIVEN a reader of show_stacks that blocks and cannot be killed
    pid_file = tmp_path / "pid"
    script = f'case $1 in */show_stacks) echo $$ > {pid_file}; kill -STOP $$ ;; *) exec /bin/cat "$@" ;; esac'
    path = tools(tmp_path / "bin", *(set(TOOLS) - {"cat"}), "gzip", "sh", cat=script)
    text = SCRIPT.read_text().replace('kill -9 "$pid"', ":")
    environment = {"PATH": path, "SPO_TRACE_ROOT": str(root), "SPO_TRACE_STACKS_TIMEOUT": "1"}
    # WHEN the script runs, THEN it exits and closes its output before that reader does
    try:
        done = subprocess.run(
            ["sh"], cwd=tmp_path, input=text.encode(), env=environment, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0
        assert Path(f"/proc/{int(pid_file.read_text())}").exists()
    finally:
        with suppress(ProcessLookupError, FileNotFoundError):
            os.kill(int(pid_file.read_text()), signal.SIGKILL)
    assert (tmp_path / "capture.tar.gz").is_file()


def test_an_interrupted_script_leaves_no_files(shell: list[str], root: Path, tmp_path: Path) -> None:
    # GIVEN a script that is reading
    page_owner = root / PATHS["page_owner"]
    page_owner.unlink()
    os.mkfifo(page_owner)
    environment = {"PATH": os.environ["PATH"], "SPO_TRACE_ROOT": str(root)}
    with subprocess.Popen(
        [*AS_A_TERMINAL, *shell, str(SCRIPT)],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        # Blocks until the script has opened it.
        with page_owner.open("wb"):
            # WHEN Ctrl-C interrupts it
            os.killpg(process.pid, signal.SIGINT)
        assert process.wait() != 0
    # THEN no files are left
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


def test_a_truncated_script_does_nothing(shell: list[str], root: Path) -> None:
    text = SCRIPT.read_bytes()
    for end in range(0, len(text) - len(b'main "$@"\n'), 997):
        environment = {"PATH": os.environ["PATH"], "SPO_TRACE_ROOT": str(root)}
        subprocess.run(shell, cwd=root.parent, input=text[:end], env=environment, capture_output=True, check=False)
    assert [path.name for path in root.parent.iterdir()] == ["root"]


def test_the_script_passes_shellcheck() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("there is no shellcheck")
    done = subprocess.run(["shellcheck", str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
