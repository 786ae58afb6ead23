# SPDX-License-Identifier: LGPL-2.1-or-later
"""Errors: one line, a hint and an exit code; never a traceback, never a partial file."""

import os
import resource
import subprocess
from pathlib import Path

import pytest

from spo_trace.schema import SCHEMA_VERSION
from tests.support import EXECUTABLE, MACHINE, capture, in_process, page, snapshot_of, spo_trace, tar_of

DAMAGED = (
    " is damaged: snapshot.json: it is not JSON\n  hint: was it copied completely? Copy it again, or take it again\n"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a snapshot, captures, and files that are neither."""
    directory = tmp_path_factory.mktemp("place")
    snapshot_of(directory, {**MACHINE, "page_owner": page()})
    files = {
        "stages/1-a/page_owner": page(),
        "none/meminfo": b"x",
        "empty/page_owner": b"",
        "garbage/page_owner": b"\x7fELF\0\xff" * 99,
        "bad.tar": tar_of({"page_owner": b""}),
        "text": b"hello\n",
        "broken.spo/snapshot.json": b"{",
        "newer.spo/snapshot.json": b'{"schema_version": 99}',
        "no-read": b"x",
    }
    capture(directory, files)
    (directory / "link").symlink_to("nowhere")
    return directory


def wrong(place: Path, *arguments: object, code: int = 1, stdin: bytes = b"") -> str:
    """Run a command that must exit with `code`, and return its stderr; check that no files were left behind."""
    before = sorted(path.name for path in place.iterdir())
    run = in_process(*arguments, cwd=place, stdin=stdin)
    said = run.stderr.decode()
    assert run.returncode == code, said
    assert {path.name for path in place.iterdir()} - {".cache"} == set(before) - {".cache"}
    return said


ERRORS = [
    (["report", "nosuch"], "nosuch can't be read: No such file or directory\n  hint: check the path\n"),
    (["report", "text"], "text is not a page_owner capture: it has no line that begins with 'Page allocated via'\n"),
    (["report", "stages"], "stages has no page_owner file\n  hint: it contains captures: name one of 1-a\n"),
    (["report", "none"], "none has no page_owner file\n"),
    (["report", "empty"], "page_owner contains no valid record: it is empty\n"),
    (["report", "garbage"], "page_owner: this is an ELF file, such as a vmcore\n"),
    (["report", "bad.tar"], "bad.tar: page_owner is empty in the archive\n"),
    (["report", "broken.spo"], f"broken.spo{DAMAGED}"),
    (["report", "newer.spo"], f"newer.spo has schema version 99; this spo-trace reads up to {SCHEMA_VERSION}\n"),
    (["report", "-"], "standard input is empty\n"),
    (["report", "x.spo", "-o", "no/such"], "no/such can't be written: no is not a directory\n"),
    (["report", "x.spo", "-o", "none"], "none is a directory\n"),
    (["report", "x.spo", "-o", "text"], "text exists\n  hint: replace it with --force\n"),
    (["report", "x.spo", "-o", "link", "--force"], "link is a symbolic link\n"),
    (["report", "x.spo", "-o", "/dev/full"], "No space left on device\n"),
    (["snapshot", "--from", "text", "--from", "stages/1-a/page_owner", "-o", "n"], "text is not a page_owner capture"),
    (["snapshot", "--from", "stages/1-a", "-o", "x.spo"], "x.spo exists\n  hint: choose another name, or"),
    (["snapshot", "--from", "stages/1-a", "-o", "none", "--force"], "none exists and is not a snapshot\n"),
    (["snapshot", "--from", "stages/1-a", "-o", "link", "--force"], "link is a symbolic link\n"),
    (["snapshot", "--from", "stages/1-a", "-o", "no/x.spo"], "no/x.spo can't be written: No such file or directory\n"),
    (["snapshot", "--from", "stages/1-a", "-o", "/proc/x.spo"], "/proc/x.spo can't be written: "),
    (
        ["snapshot", "--from", "stages/1-a", "-o", "n.spo", "--swap", "debugfs"],
        "no swap_page_owner: not in the capture",
    ),
    (["simulate", "nosuch", "-o", "n"], "there is no scenario nosuch\n  hint: name a TOML file, or one of "),
    (["simulate", "quick", "-o", "none", "--force"], "none exists and is not output of simulate\n"),
    (["simulate", "quick", "-o", "no/such"], "no/such can't be written: No such file or directory\n"),
]


@pytest.mark.parametrize(("arguments", "said"), ERRORS, ids=[" ".join(arguments) for arguments, _ in ERRORS])
def test_errors(place: Path, arguments: list[str], said: str) -> None:
    assert f"spo-trace: error: {said}" in wrong(place, *arguments)


USAGE = [
    (["report", "x.spo", "--by", "com"], "there is no key 'com'\n  hint: did you mean 'comm'?\n"),
    (["report", "x.spo", "--by", "comm,comm"], "the key 'comm' is given twice\n"),
    (
        ["report", "x.spo", "--sort", "nosuch"],
        "can't sort by 'nosuch'\n  hint: choose one of total, mem, swap, mem_pages, swap_pages"
        ", swap_cache_pages, swap_cache, share, comm\n",
    ),
    (["report", "x.spo", "--where", "comm.x"], "--where comm.x: 'comm.x' is not a condition on columns\n"),
    (
        ["report", "nosuch", "--format", "xml"],
        "there is no format 'xml'\n  hint: choose one of table, csv, json, markdown\n",
    ),
    (["report", "nosuch", "--by", "com"], "there is no key 'com'\n"),
    (["diff", "nosuch", "nosuch", "--where", "com == 1"], "--where: there is no column 'com'\n"),
    (["diff", "x.spo", "x.spo", "--fail-above", "lots"], "--fail-above: 'lots' is not a size\n"),
    (["diff", "x.spo", "x.spo", "--sort", "rate"], "can't sort by 'rate'\n"),
    (["export", "x.spo", "-f", "svg"], "there is no format 'svg'\n  hint: choose one of folded, "),
    (["export", "x.spo", "--weight", "x"], "there is no weight 'x'\n"),
    (["export", "x.spo", "-f", "csv", "--where", "slab and"], "--where 'slab and' is not an expression"),
    (["report", "x.spo", "--by", "pfn_range"], "'pfn_range' has no size that is a power of two\n"),
    (["report", "x.spo", "--where", "pfn_range_3M > 0"], "'pfn_range_3M' has no size that is a power of two\n"),
    (["blockers", "x.spo", "--for", "thp"], "--for must be one of hugepage, cma, offline, not 'thp'\n"),
    (["page", "x.spo", "x.spo"], "'x.spo' is not a PFN\n"),
    (["export", "x.spo", "-f", "pprof", "--weight", "mem"], "--weight needs the format folded\n  hint: pprof has "),
    (
        ["report", "x.spo", "--html", "n", "-o", "./n"],
        "n can't be both the table and the HTML report\n  hint: name two files\n",
    ),
    (["report", "x.spo", "--html", "-"], "--html cannot write to standard output, where the table goes\n"),
    (["snapshot", "--backend", "x"], "there is no backend 'x'\n"),
    (["snapshot", "--backend", "live", "--from", "text"], "the live backend reads this machine, not --from\n"),
    (["snapshot", "--from", "stages/1-a", "--stage", "x", "-o", "n.spo"], "only the simulator has stages\n"),
    (["snapshot", "--from", "stages/1-a", "--swap", "x", "-o", "n.spo"], "there is no swap mode 'x'\n"),
    (["snapshot", "--from", "x.spo/../stages/1-a", "--from", "stages/1-a", "-o", "n.spo"], "is a second page_owner\n"),
]


@pytest.mark.parametrize(("arguments", "said"), USAGE, ids=[" ".join(arguments) for arguments, _ in USAGE])
def test_usage_errors(place: Path, arguments: list[str], said: str) -> None:
    text = wrong(place, *arguments, code=2)
    assert text.startswith("spo-trace: error: ")
    assert said in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["nosuch"],
        ["report"],
        ["report", "x.spo", "--nosuch"],
        ["report", "x.spo", "--top", "-1"],
        ["report", "x.spo", "--top", "many"],
        ["verify", "x.spo", "--tolerance", "-1"],
        ["verify", "x.spo", "--tolerance", "nan"],
        ["watch", "--interval", "nan"],
        ["trace", "inf"],
        ["diff", "x.spo"],
        ["simulate", "quick"],
    ],
    ids=" ".join,
)
def test_a_command_line_that_cannot_be_parsed(place: Path, arguments: list[str]) -> None:
    command = " ".join(["spo-trace", *arguments[:1]]) if arguments != ["nosuch"] else "spo-trace"
    lines = wrong(place, *arguments, code=2).splitlines()
    # All errors have one style: a message and a hint.
    assert len(lines) == 2 and lines[0].startswith("spo-trace: error: ") and not lines[0].endswith(".")
    assert lines[1] == f"  hint: see {command} --help"


def limited(size: int) -> None:
    """Limit the size of files to `size`, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("size", [3, 2000, 60_000])
def test_a_full_disk_leaves_no_files(tmp_path: Path, size: int) -> None:
    text = b"".join(page(pfn, comm=b"%x" % (pfn * 2654435761), ts=pfn * 7919**3) for pfn in range(9000))
    capture(tmp_path / "c", {**MACHINE, "page_owner": text})
    run = subprocess.run(
        [EXECUTABLE, "snapshot", "--from", "c", "-o", "c.spo"],
        cwd=tmp_path,
        capture_output=True,
        preexec_fn=lambda: limited(size),
        timeout=60,
        check=False,
    )
    said = run.stderr.decode()
    assert (run.returncode, "Traceback" in said, "a bug in" in said) == (1, False, False), said
    assert "File too large" in said
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_may_not_be_written(place: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    said = wrong(place, "snapshot", "--from", "stages/1-a", "-o", tmp_path / "x.spo")
    assert f"{tmp_path}/x.spo can't be written: Permission denied\n" in said


def test_without_a_home_and_a_locale(place: Path) -> None:
    run = spo_trace("report", "x.spo", "--by", "comm", cwd=place, env={"LANG": "C"})
    assert (run.returncode, run.stdout.split(b"\n")[1][:3]) == (0, b"dd ")
    run = spo_trace("report", "stages/1-a", cwd=place, env={"XDG_CACHE_HOME": "/dev/null"})
    # matplotlib warns that it has no cache, and works without one.
    assert (run.returncode, run.stdout.split(b"\n")[1][:3]) == (0, b"dd ")
    said = "spo-trace: the cache directory /dev/null/spo-trace can't be created: Not a directory; "
    assert run.stderr.decode().startswith(said)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["capture-script"],
        ["report", "x.spo"],
        *(["export", "x.spo", "-f", f] for f in ("csv", "html", "pprof")),
    ],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_standard_output_on_a_full_disk(place: Path, arguments: list[str], unbuffered: str) -> None:
    # GIVEN a full disk, noticed when a line is written or only at the end
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered, "XDG_CACHE_HOME": str(place / ".cache")}
    with Path("/dev/full").open("wb") as full:
        run = subprocess.run(
            [EXECUTABLE, *arguments], cwd=place, env=environment, stdout=full, stderr=subprocess.PIPE, timeout=60
        )
    # THEN there is one error
    lines = run.stderr.decode().splitlines()
    assert run.returncode == 1
    assert lines.count("spo-trace: error: No space left on device") == 1
    assert not any(line.startswith(("Traceback", "Exception ignored", "OSError")) for line in lines)


def test_a_device_is_written_to_and_never_replaced(place: Path) -> None:
    run = spo_trace("report", "x.spo", "-o", "/dev/null", "--force", cwd=place)
    assert run.returncode == 0
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize(
    ("closed", "arguments", "said"),
    [
        ("<&-", "report -", "spo-trace: error: standard input is closed"),
        (">&-", "report x.spo", "spo-trace: error: standard output is closed"),
        (">&-", "doctor", "spo-trace: error: standard output is closed"),
        (">&-", "doctor --format json", "spo-trace: error: standard output is closed"),
        (">&-", "capture-script", "spo-trace: error: standard output is closed"),
        (">&-", "trace --ebpf", "spo-trace: error: standard output is closed"),
        ("2>&-", "report x.spo", ""),
    ],
)
def test_closed_streams(place: Path, closed: str, arguments: str, said: str) -> None:
    command = f"{EXECUTABLE} {arguments} {closed}"
    run = subprocess.run(["sh", "-c", command], cwd=place, capture_output=True, timeout=60, check=False)
    assert run.stderr.decode().partition("\n")[0] == said
    assert run.returncode == (1 if said else 0)
    assert not said.startswith("2") and b"Total" not in run.stdout


@pytest.mark.parametrize("command", [["report"], ["verify"], ["export"], ["diff", "missing.spo"]])
def test_an_output_that_exists_is_refused_before_the_work(tmp_path: Path, command: list[str]) -> None:
    # GIVEN an existing output, and an input that does not exist
    (tmp_path / "out").write_text("mine")
    # WHEN a command should write to the output
    done = in_process(*command, "missing.spo", "-o", "out", cwd=tmp_path)
    # THEN the error is about the output, which is checked first
    assert (done.returncode, done.stderr) == (
        1,
        b"spo-trace: error: out exists\n  hint: replace it with --force\n",
    )
