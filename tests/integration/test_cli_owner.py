# SPDX-License-Identifier: LGPL-2.1-or-later
"""Output of every command under sudo is readable for the user who called it, and for no other user."""

import inspect
import os
import pwd
import subprocess
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

import spo_trace as spo
from spo_trace.native.collector import program
from tests.docs.reference import commands, options_of
from tests.support import ANON, MACHINE, capture, in_process, page, spo_trace
from tests.unit.files.users import OTHER, SUDO, USER, as_root, ids, mode, reads, shared

__all__ = ["shared"]

USERS = (USER.pw_uid, USER.pw_gid)

# The options that name a file to write, in any command.
WRITING = {"--output", "--html", "--plot", "--record"}

COMMANDS = {
    "snapshot": ("snapshot --from capture -o now.spo", ["now.spo"]),
    "snapshot, default name": ("snapshot --from capture", ["capture-*.spo"]),
    "simulate": ("simulate leak -o leak", ["leak"]),
    "watch": ("watch --backend simulator --from leak --count 3 --record minutes", ["minutes"]),
    "explain": ("explain capture -o a.txt", ["a.txt"]),
    "report": ("report capture -o a.csv --html a.html", ["a.csv", "a.html"]),
    "blockers": ("blockers capture -o b.csv", ["b.csv"]),
    "page": ("page 0x100 capture -o p.json", ["p.json"]),
    "diff": ("diff capture capture -o a.md --html a.html", ["a.md", "a.html"]),
    "trend": ("trend minutes -o a.json --plot a.svg", ["a.json", "a.svg"]),
    "verify": ("verify capture --only memory -o a.txt", ["a.txt"]),
    "export folded": ("export capture -o a.folded", ["a.folded"]),
    "export pprof": ("export capture -o a.pb.gz", ["a.pb.gz"]),
    "export parquet": ("export capture -o a.parquet", ["a.parquet"]),
    "export html": ("export capture -o a.html", ["a.html"]),
    "metrics": ("metrics capture -o a.prom", ["a.prom"]),
    "fleet add": ("fleet add fleet capture", ["fleet"]),
    "fleet report": ("fleet report ready -o f.csv", ["f.csv"]),
    "fleet diff": ("fleet diff ready --from kernel=* --to kernel=* -o f.csv", ["f.csv"]),
    "fleet outliers": ("fleet outliers ready -o f.csv", ["f.csv"]),
    "fleet check": ("fleet check ready -o f.csv", ["f.csv"]),
    "collector": ("collector -o spo-collect", ["spo-collect"]),
}
COLLECTOR = program()
needs_collector = pytest.mark.skipif(
    COLLECTOR is None or not COLLECTOR.is_static, reason="spo-trace was installed without a static collector"
)
RUNS = [pytest.param(name, marks=needs_collector) if name == "collector" else name for name in COMMANDS]


@pytest.fixture
def place(shared: Path) -> Path:
    """Return USER's directory with a capture in it that everybody can read."""
    files = {**MACHINE, "page_owner": page(stack=ANON), "meminfo": b"MemTotal: 400 kB\nMemFree: 396 kB\n"}
    capture(shared / "capture", files)
    spo.fleet.open(shared / "ready", create=True).add(spo.open(shared / "capture"))
    return shared


def written(directory: Path, patterns: list[str]) -> list[Path]:
    """Return the files and directories that match `patterns`, and everything below them."""
    tops = [path for pattern in patterns for path in directory.glob(pattern)]
    assert len(tops) == len(patterns)
    return [path for top in tops for path in (top, *top.rglob("*"))]


def is_searched_or_run(path: Path) -> bool:
    """Return whether who may read a path also gets the x bit."""
    return path.is_dir() or path.name == "spo-collect"


def run(line: str, place: Path) -> None:
    done = in_process(*line.split(), cwd=place)
    assert done.returncode in (0, 3), done.stderr.decode()


@as_root
@pytest.mark.parametrize("name", RUNS)
def test_under_sudo_output_belongs_to_the_caller(place: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for variable, value in SUDO.items():
        monkeypatch.setenv(variable, value)
    line, patterns = COMMANDS[name]
    if name == "trend":
        run(COMMANDS["watch"][0], place)
    run(line, place)
    for path in written(place, patterns):
        assert (ids(path), mode(path)) == (USERS, "0700" if is_searched_or_run(path) else "0600"), path
        assert path.is_dir() or (reads(USER, path) and not reads(OTHER, path))
    # The cache of root is not output.
    assert [ids(path) for path in place.glob(".cache")] in ([], [(0, 0)])


@as_root
@pytest.mark.parametrize("name", RUNS)
def test_a_service_sets_the_owner_and_the_mode(place: Path, name: str) -> None:
    line, patterns = COMMANDS[name]
    if name == "trend":
        run(COMMANDS["watch"][0], place)
    run(f"{line} --owner nobody:daemon --mode 0640", place)
    for path in written(place, patterns):
        expected = "0750" if is_searched_or_run(path) else "0640"
        assert (ids(path), mode(path)) == ((USER.pw_uid, OTHER.pw_gid), expected), path
        assert path.is_dir() or (reads(USER, path) and reads(OTHER, path))


def annotated(command: Any, name: str) -> tuple[object, ...]:
    """Return the annotated types of a parameter of a command."""
    hint = get_type_hints(inspect.unwrap(command.callback))[name]
    return hint, *get_args(hint)


def test_every_command_that_writes_files_takes_owner_and_mode() -> None:
    writing = {name for name, command in commands().items() if WRITING & set(options_of(command))}
    # Its output is named by an argument.
    writing.add("fleet add")
    assert writing == {next(name for name in commands() if line.startswith(name)) for line, _ in COMMANDS.values()}
    for name in writing:
        assert {"--owner", "--mode"} <= set(options_of(commands()[name])), name
    # This test does not notice a command that writes a file without any of these options.
    paths = {
        option
        for command in commands().values()
        for param in command.params
        if param.param_type_name == "option" and Path in annotated(command, param.name)
        for option in param.opts
    }
    assert paths == {*WRITING, "-o"}


@as_root
def test_a_recording_grows_while_it_is_the_users(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in SUDO.items():
        monkeypatch.setenv(variable, value)
    run("watch --backend simulator --from leak --count 3 --record minutes", place)
    names = ["000001.parquet", "000002.parquet", "000003.parquet", "series.json"]
    assert sorted(path.name for path in (place / "minutes").iterdir()) == names


@as_root
def test_a_directory_that_the_caller_may_not_write_gets_a_hint(place: Path) -> None:
    (place / "closed").mkdir(mode=0o755)
    done = spo_trace("snapshot", "--from", "capture", "-o", "closed/x.spo", cwd=place, env=environment(place))
    assert done.returncode == 0
    assert (
        b"spo-trace: closed/x.spo belongs to root: nobody may not write to closed. "
        b"To give it to a user, add --owner USER\n"
    ) in done.stderr
    assert ids(place / "closed/x.spo") == (0, 0)


def test_the_demo_keeps_its_temporary_files_as_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN stubs of the commands that demo calls, which record the owner that they get
    owners: list[object] = []
    for name in ("report", "diff", "verify"):
        monkeypatch.setattr(f"spo_trace.cli.{name}.command", lambda *arguments, **named: None)
    for name in ("simulate", "snapshot"):
        monkeypatch.setattr(f"spo_trace.cli.{name}.command", lambda *arguments, owner, **named: owners.append(owner))
    # WHEN it runs, under sudo too
    in_process("demo", cwd=tmp_path)
    # THEN all files stay those of this process, without a note on where the caller of sudo may write
    assert owners == [f"{os.geteuid()}:{os.getegid()}"] * 3


def environment(place: Path) -> dict[str, str]:
    """Return the environment of a command that USER runs with sudo."""
    return {"PATH": "/usr/bin:/bin", "XDG_CACHE_HOME": str(place / ".cache"), **SUDO}


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ("-o x.txt --owner no-such-user", 2, "there is no user 'no-such-user'"),
        ("-o x.txt --owner 4294967295", 2, "there is no user '4294967295'"),
        ("-o x.txt --mode 0666", 2, "mode 0666 allows everyone to change the files"),
        ("-o x.txt --mode 4600", 2, "mode 4600 is not a mode for output files"),
        ("-o x.txt --mode rw", 2, "'rw' is not a mode"),
        ("--mode 0640", 2, "--mode: no file is written"),
        ("-o - --owner root --mode 0640", 2, "--owner and --mode: no file is written"),
    ],
)
def test_wrong_owners_and_modes_are_errors_before_the_work(
    tmp_path: Path, options: str, code: int, message: str
) -> None:
    done = in_process("report", "no-such-capture", *options.split(), cwd=tmp_path)
    assert done.returncode == code
    assert done.stderr.decode().splitlines()[0] == f"spo-trace: error: {message}"
    assert not (tmp_path / "x.txt").exists()


def test_only_root_can_give_files_to_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    done = in_process("report", "no-such-capture", "-o", "x.txt", "--owner", "root", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        "spo-trace: error: only root can give files to another user or group",
        "  hint: use sudo, or leave out --owner",
    ]


def test_a_device_keeps_its_owner(tmp_path: Path) -> None:
    capture(tmp_path / "capture", {**MACHINE, "page_owner": page()})
    before = ids(Path("/dev/null"))
    assert in_process("report", "capture", "-o", "/dev/null", "--mode", "0640", cwd=tmp_path).returncode == 0
    assert ids(Path("/dev/null")) == before
    assert pwd.getpwuid(before[0]).pw_name == "root"
    assert subprocess.run(["test", "-c", "/dev/null"], check=False).returncode == 0


@as_root
def test_names_in_messages_are_escaped(place: Path) -> None:
    (place / "closed").mkdir(mode=0o755)
    arguments = ("report", "capture", "-o", "closed/\x1b[2Jx.txt")
    done = spo_trace(*arguments, cwd=place, env=environment(place))
    assert b"belongs to root" in done.stderr
    assert b"\x1b" not in done.stderr


@as_root
def test_the_api_takes_the_same_owner_and_mode(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snap = spo.open(place / "capture")
    spo.export(snap, "csv", place / "a.csv", owner="nobody:daemon", mode=0o640)
    spo.export_diff(snap, snap, place / "a.html", owner="nobody:daemon", mode=0o640)
    spo.snapshot(place / "a.spo", from_=place / "capture", owner="nobody:daemon", mode=0o640)
    for name in ("a.csv", "a.html", "a.spo/snapshot.json"):
        assert (ids(place / name), mode(place / name)) == ((USER.pw_uid, OTHER.pw_gid), "0640")
    # Without them, the file belongs to the user who called sudo.
    for variable, value in SUDO.items():
        monkeypatch.setenv(variable, value)
    spo.export(snap, "csv", place / "b.csv")
    assert (ids(place / "b.csv"), mode(place / "b.csv")) == (USERS, "0600")
