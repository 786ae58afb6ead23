# SPDX-License-Identifier: LGPL-2.1-or-later
"""--force removes only what spo-trace made; without it, nothing is replaced, not even what appears meanwhile."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import MACHINE, capture, in_process, page
from tests.unit.files.hooks import before, state

SCENARIO = """seed = 1
format = "F"
[machine]
spanned_pages = 1024
reserved = [[0, 64]]
early_pages = 10
min_free_kib = 40
[[step]]
do = "spawn"
process = "dd"
pid = 7
[[step]]
do = "snapshot"
name = "0-start"
[[step]]
do = "snapshot"
name = "{last}"
"""
PAGE_OWNER = "0-start/sys/kernel/debug/page_owner"


@pytest.fixture
def simulated(tmp_path: Path) -> Path:
    """Return the output of simulate."""
    (tmp_path / "small.toml").write_text(SCENARIO.format(last="1-end"))
    simulate(tmp_path)
    return tmp_path / "out"


def simulate(place: Path, *options: str, code: int = 0) -> str:
    """Run simulate, and return its stderr."""
    run = in_process("simulate", "small.toml", "-o", "out", *options, cwd=place)
    assert run.returncode == code, run.stderr.decode()
    return run.stderr.decode()


def test_simulate_replaces_its_own_output(simulated: Path) -> None:
    before_it = (simulated / PAGE_OWNER).stat().st_ino
    simulate(simulated.parent, "--force")
    assert (simulated / PAGE_OWNER).stat().st_ino != before_it
    assert sorted(path.name for path in simulated.parent.iterdir()) == ["out", "small.toml"]


def test_the_list_is_one_for_sha256sum(simulated: Path) -> None:
    if shutil.which("sha256sum") is None:
        pytest.skip("no sha256sum")
    check = ["sha256sum", "--check", "--strict", "--quiet", "simulated.sha256"]
    subprocess.run(check, cwd=simulated, check=True)
    listed = (simulated / "simulated.sha256").read_text().splitlines()[1:]
    files = {str(path.relative_to(simulated)) for path in simulated.rglob("*") if path.is_file()}
    assert {line.partition("  ")[2] for line in listed} == files - {"simulated.sha256"}


def freed(path: Path) -> Path:
    """Remove a file and return its path."""
    path.unlink()
    return path


def other_list(out: Path) -> None:
    """Write a list such as a user makes with sha256sum."""
    files = [path for path in out.rglob("*") if path.is_file() and path.name != "simulated.sha256"]
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(out)}\n" for path in files]
    (out / "simulated.sha256").write_text("".join(lines))


def longer_list(out: Path) -> None:
    """Add a file outside the output to the list, with its hash."""
    digest = hashlib.sha256((out.parent / "small.toml").read_bytes()).hexdigest()
    with (out / "simulated.sha256").open("a") as file:
        file.write(f"{digest}  ../small.toml\n")


def linked_stage(out: Path) -> None:
    """Put a link in place of a stage, to the same files."""
    (out / "0-start").rename(out.parent / "mine")
    (out / "0-start").symlink_to(out.parent / "mine")


CHANGES: dict[str, Callable[[Path], object]] = {
    "a capture beside the stages": lambda out: capture(out / "mine", {"sys/kernel/debug/page_owner": page()}),
    "a capture in place of a stage": lambda out: capture(out / "0-start", {"sys/kernel/debug/page_owner": page()}),
    "a file more": lambda out: (out / "0-start/notes").write_text("mine"),
    "an empty directory more": lambda out: (out / "0-start/mine").mkdir(),
    "a directory with the name of a file": lambda out: freed(out / PAGE_OWNER).mkdir(),
    "a FIFO with the name of a file": lambda out: os.mkfifo(freed(out / PAGE_OWNER)),
    "a link to a stage": linked_stage,
    "a file less": lambda out: (out / PAGE_OWNER).unlink(),
    "no list": lambda out: (out / "simulated.sha256").unlink(),
    "a list of sha256sum": other_list,
    "a damaged list": lambda out: (out / "simulated.sha256").write_bytes(b"\xff"),
    "a list with more": longer_list,
}


@pytest.mark.parametrize("change", CHANGES)
def test_simulate_keeps_what_it_did_not_write(simulated: Path, change: str) -> None:
    CHANGES[change](simulated)
    kept = state(simulated)
    said = simulate(simulated.parent, "--force", code=1)
    assert said == "spo-trace: error: out exists and is not output of simulate\n  hint: choose another name\n"
    assert state(simulated) == kept


def test_a_stage_cannot_leave_the_output(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SCENARIO.format(last="../../x"))
    said = simulate(tmp_path, code=1)
    assert "step 3: name: '../../x' is not a name for a directory\n" in said
    assert [path.name for path in tmp_path.iterdir()] == ["small.toml"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory with a capture."""
    capture(tmp_path / "capture", {**MACHINE, "page_owner": page(), "meminfo": b"MemTotal: 8 kB\nMemFree: 4 kB\n"})
    return tmp_path


WRITING = {
    "report -o": ("report capture -o {}", ".csv"),
    "report --html": ("report capture --html {}", ".html"),
    "diff -o": ("diff capture capture -o {}", ".md"),
    "diff --html": ("diff capture capture --html {}", ".html"),
    "verify -o": ("verify capture --only memory -o {}", ".txt"),
    "trend -o": ("trend minutes -o {}", ".json"),
    "trend --plot": ("trend minutes --plot {}", ".svg"),
    "export": ("export capture -o {}", ".folded"),
    "export, binary": ("export capture -o {}", ".parquet"),
    "metrics": ("metrics capture -o {}", ".prom"),
    "snapshot": ("snapshot --from capture -o {}", ".spo"),
    "simulate": ("simulate quick -o {}", ""),
    "watch": ("watch --backend simulator --from leak --count 2 --record {}", ""),
}


@pytest.mark.parametrize("name", WRITING)
def test_what_appears_while_a_command_runs_is_kept(place: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    line, suffix = WRITING[name]
    if "minutes" in line:
        in_process(*WRITING["watch"][0].format("minutes").replace("2", "3").split(), cwd=place)
    target = place / f"out{suffix}"
    # GIVEN another program, which creates a file or directory of that name at the last moment
    create = target.mkdir if name in ("snapshot", "simulate", "watch") else target.touch
    before(monkeypatch, "spo_trace.files.renaming._renameat2", create)
    run = in_process(*line.format(target.name).split(), cwd=place)
    # THEN it is not replaced
    assert run.returncode == 1, run.stderr.decode()
    assert f"spo-trace: error: {target.name} exists\n".encode() in run.stderr
    assert target.lstat().st_size == 0 or not any(target.iterdir())
    assert not [path for path in place.iterdir() if path.name.startswith(".spo-trace-")]


@pytest.mark.parametrize("name", WRITING)
def test_names_as_long_as_the_file_system_allows(place: Path, name: str) -> None:
    line, suffix = WRITING[name]
    if "minutes" in line:
        in_process(*WRITING["watch"][0].format("minutes").replace("2", "3").split(), cwd=place)
    target = place / ("x" * (255 - len(suffix)) + suffix)
    for force in ([], ["--force"]):
        run = in_process(*line.format(target.name).split(), *force, cwd=place)
        assert run.returncode in (0, 3), run.stderr.decode()
        assert target.exists()
    assert not [path for path in place.iterdir() if path.name.startswith(".spo-trace-")]


def test_a_default_name_fits_into_the_file_system(place: Path) -> None:
    for name in ("x" * 250, "é" * 125):
        (place / "capture").rename(place / name)
        run = in_process("snapshot", "--from", name, cwd=place)
        assert run.returncode == 0, run.stderr.decode()
        (place / name).rename(place / "capture")
    assert len(list(place.glob("*.spo"))) == 2


@pytest.mark.parametrize("name", WRITING)
def test_names_that_are_too_long_are_an_early_error(place: Path, name: str) -> None:
    line, suffix = WRITING[name]
    run = in_process(*line.format("x" * 256 + suffix).split(), cwd=place)
    assert run.returncode in (1, 2)
    assert b"too long\n  hint: " in run.stderr
    assert not [path for path in place.iterdir() if path.name.startswith(".spo-trace-")]
