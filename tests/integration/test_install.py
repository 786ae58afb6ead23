# SPDX-License-Identifier: LGPL-2.1-or-later
"""`make install` and `make uninstall` below a PREFIX of the test: the files that they leave, and what they refuse."""

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from spo_trace.cli.man_pages import man_pages
from spo_trace.native import library
from spo_trace.version import __version__

ROOT = Path(__file__).parents[2]
STUB = Path(__file__).with_name("stub_python.sh")
MARKER = ".made-by-install.sh"

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


def make(
    target: str,
    prefix: Path | str,
    env: Mapping[str, str] | None = None,
    *,
    python: Path | str = STUB,
    umask: int = 0o22,
) -> subprocess.CompletedProcess[str]:
    """Run `make target PREFIX=prefix` as a user does, by default with a stub for python3."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "PIP_"))}
    log = {"STUB_LOG": str(Path(prefix).parent / "pip.log")} if Path(prefix).is_absolute() else {}
    return subprocess.run(
        ["make", "--no-print-directory", target, f"PREFIX={prefix}", f"PYTHON={python}"],
        cwd=ROOT,
        env={**environment, **log, **(env or {})},
        umask=umask,
        start_new_session=True,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def everything(directory: Path) -> dict[str, tuple[int, str]]:
    """Return each path below `directory` with its mode, and its content or link target."""
    return {str(path.relative_to(directory)): (path.lstat().st_mode, _content(path)) for path in directory.rglob("*")}


def _content(path: Path) -> str:
    if path.is_symlink():
        return str(path.readlink())
    return path.read_text() if path.is_file() else ""


@pytest.mark.parametrize("name", ["pre", "with blanks/and $signs", "usr/local"])
def test_uninstall_leaves_what_was_there_before_install(tmp_path: Path, name: str) -> None:
    # GIVEN a prefix that does not exist, or contains other files
    prefix = tmp_path / name
    if name == "usr/local":
        (prefix / "bin").mkdir(parents=True)
        (prefix / "bin/other").write_text("a program")
    before = everything(tmp_path)
    # WHEN spo-trace is installed there
    done = make("install", str(prefix).replace("$", "$$"), {"STUB_LOG": os.devnull})
    # THEN the link runs it
    assert done.returncode == 0, done.stderr
    assert subprocess.check_output([prefix / "bin/spo-trace"], text=True) == "spo-trace 9.9\n"
    assert (prefix / "bin/spo-trace").readlink() == prefix / "lib/spo-trace/bin/spo-trace"
    # WHEN it is removed, THEN no files of it are left, and all others are unchanged
    undone = make("uninstall", str(prefix).replace("$", "$$"))
    assert undone.returncode == 0, undone.stderr
    assert everything(tmp_path) == before


def foreign_home(prefix: Path) -> None:
    """Make a directory at the path of the environment."""
    (prefix / "lib/spo-trace").mkdir(parents=True)
    (prefix / "lib/spo-trace/precious").write_text("mine")


def linked_home(prefix: Path) -> None:
    """Make a link at the path of the environment to one that was installed elsewhere."""
    (prefix / "lib").mkdir(parents=True)
    (prefix / "elsewhere").mkdir()
    (prefix / "elsewhere" / MARKER).write_text("")
    (prefix / "lib/spo-trace").symlink_to(prefix / "elsewhere")


def foreign_file(prefix: Path) -> None:
    """Make a program at the path of the link."""
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin/spo-trace").write_text("mine")


def foreign_link(prefix: Path) -> None:
    """Make a dangling link at the path of the link."""
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin/spo-trace").symlink_to("/nonexistent/pipx/spo-trace")


@pytest.mark.parametrize("other", [foreign_home, linked_home, foreign_file, foreign_link])
def test_files_of_others_are_neither_replaced_nor_removed(tmp_path: Path, other: object) -> None:
    # GIVEN another file at the path of the environment or of the link
    prefix = tmp_path / "pre"
    assert callable(other)
    other(prefix)
    before = everything(tmp_path)
    # WHEN spo-trace is installed, THEN make refuses with a hint
    done = make("install", prefix)
    assert done.returncode != 0
    assert "was not created by make install\nhint: move it away, or choose another directory" in done.stderr
    assert everything(tmp_path) == before
    # WHEN it is removed, THEN nothing changes
    undone = make("uninstall", prefix)
    assert "was not created by make install" in undone.stderr
    assert everything(tmp_path) == before


@pytest.mark.parametrize("fails", ["pip", "TERM", "INT"])
def test_a_failed_installation_changes_nothing(tmp_path: Path, fails: str) -> None:
    # GIVEN no installation, WHEN pip fails or the user presses Ctrl-C
    prefix = tmp_path / "pre"
    log = tmp_path / "pip.log"
    log.touch()
    assert make("install", prefix, {"STUB_FAILS": fails}).returncode != 0
    # THEN no files are there
    assert [path.name for path in tmp_path.iterdir()] == ["pip.log"]
    # GIVEN an installation, WHEN the next one fails
    assert make("install", prefix).returncode == 0
    (prefix / "lib/spo-trace/lib/older").touch()
    before = everything(prefix)
    done = make("install", prefix, {"STUB_FAILS": fails})
    # THEN the old one is unchanged
    assert done.returncode != 0
    assert "the previous state is unchanged" in done.stderr
    assert everything(prefix) == before
    # WHEN the next one succeeds, THEN it has replaced the old one, and uninstall removes everything
    assert make("install", prefix).returncode == 0
    assert not (prefix / "lib/spo-trace/lib/older").exists()
    assert make("uninstall", prefix).returncode == 0
    assert not prefix.exists()


@pytest.mark.parametrize("prefix", ["relative", "./x", "/tmp/../x"])
def test_a_prefix_that_is_not_plain_is_refused(prefix: str) -> None:
    done = make("install", prefix)
    assert done.returncode != 0
    assert f"PREFIX is {prefix}\nhint: give an absolute path" in done.stderr


def test_uninstall_of_nothing(tmp_path: Path) -> None:
    done = make("uninstall", tmp_path)
    assert (done.returncode, done.stdout) == (0, f"There is no {tmp_path}/lib/spo-trace\n")


def test_pip_gets_more_arguments(tmp_path: Path) -> None:
    make("install", tmp_path / "pre", {"PIP_ARGS": "--no-index --find-links /wheels"})
    assert " --no-index --find-links /wheels /" in (tmp_path / "pip.log").read_text()


def test_all_users_can_use_the_installation(tmp_path: Path) -> None:
    # GIVEN an installation with umask 077, without a network: the dependencies are those of the tests
    pytest.importorskip("hatchling")
    borrowed = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))}
    prefix = tmp_path / "pre"
    arguments = {"PIP_ARGS": "--no-deps --no-build-isolation --no-index"}
    mtime = library.PATH.stat().st_mtime_ns if library.PATH.exists() else None
    done = make("install", prefix, {**borrowed, **arguments}, python=sys.executable, umask=0o77)
    assert done.returncode == 0, done.stderr
    # THEN all users may read and run it, and only its owner may change it
    for path in [prefix, *prefix.rglob("*")]:
        mode = path.lstat().st_mode
        wanted = 0o755 if path.is_dir() or mode & stat.S_IXUSR else 0o644
        assert path.is_symlink() or stat.S_IMODE(mode) == wanted, path
    # AND it contains the files of the source without the tests, and no reference to the source
    home = prefix / "lib/spo-trace"
    (package,) = home.glob("lib/python3*/site-packages/spo_trace")
    assert files(ROOT / "spo_trace") <= files(package)
    assert files(ROOT / "bpf") == files(package / "bpf")
    assert files(ROOT / "fixtures/scenarios") == files(package / "scenarios")
    for built in ("libspo.so", "spo-collect"):
        assert (package / "native" / built).exists() == (shutil.which("cc") is not None)
    metadata = [*package.parent.glob("*.pth"), *package.parent.glob("spo_trace-*/*"), *(home / "bin").glob("spo*")]
    assert not [path for path in metadata if path.is_file() and str(ROOT).encode() in path.read_bytes()]
    # AND its man pages and completions are where programs look for them
    shared = {path.relative_to(prefix / "share"): path for path in prefix.glob("share/**/*") if path.is_symlink()}
    assert {str(name) for name in shared if name.parts[0] != "man"} == {
        "bash-completion/completions/spo-trace",
        "zsh/site-functions/_spo-trace",
        "fish/vendor_completions.d/spo-trace.fish",
    }
    assert {str(name) for name in shared if name.parts[0] == "man"} == {f"man/man1/{name}" for name in man_pages()}
    assert all("spo-trace" in path.read_text().replace("\\", "") for path in shared.values())
    # AND the checkout is unchanged
    assert mtime == (library.PATH.stat().st_mtime_ns if library.PATH.exists() else None)
    # AND it runs in any directory, with its scenarios
    command, env = prefix / "bin/spo-trace", {**os.environ, **borrowed}
    run = subprocess.run([command, "simulate", "quick", "-o", tmp_path / "quick"], cwd="/", env=env, check=False)
    assert run.returncode == 0
    assert subprocess.check_output([command, "--version"], text=True, env=env) == f"spo-trace {__version__}\n"


def files(directory: Path) -> set[str]:
    """Return the names of all files below `directory` that are not created by running or building it."""
    paths = (path for path in directory.rglob("*") if path.suffix not in (".pyc", ".so", ".new"))
    return {str(path.relative_to(directory)) for path in paths if path.is_file() and path.name != "spo-collect"}


def test_pages_of_others_are_kept(tmp_path: Path) -> None:
    # GIVEN a completion of a package of the distribution, and a dangling link to a page of an older installation
    prefix = tmp_path / "pre"
    other, old = prefix / "share/zsh/site-functions/_spo-trace", prefix / "share/man/man1/spo-trace-gone.1"
    for path in (other, old):
        path.parent.mkdir(parents=True)
    other.write_text("mine")
    old.symlink_to(prefix / "lib/spo-trace/share/man/man1/spo-trace-gone.1")
    done = make("install", prefix)
    assert done.returncode == 0
    assert f"{other} was not created by make install and is kept" in done.stderr
    assert (other.read_text(), old.is_symlink()) == ("mine", False)
    assert (prefix / "share/bash-completion/completions/spo-trace").is_symlink()
    assert make("uninstall", prefix).returncode == 0
    assert other.read_text() == "mine" and not (prefix / "share/bash-completion").exists()


def test_documents_use_one_way_to_run_it_as_root() -> None:
    # GIVEN the README, the documents, and what --help prints
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for page in pages:
        text = page.read_text()
        ways = set(re.findall(r"sudo (?:-\S+ )*(\S*spo-trace)\b(?!-|/| install)", text))
        # THEN sudo gets the bare name; the README explains what to do if sudo does not find it
        assert ways <= {"spo-trace"} | ({"/usr/local/bin/spo-trace"} if page.name == "README.md" else set()), page
        # AND each page but the help texts links to the installation
        assert not ways or "#install" in text or page.name == "commands.md", page
