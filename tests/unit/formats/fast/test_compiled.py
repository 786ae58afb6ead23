# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the compiled scanner is kept: for each version of it, where nobody else may write, or nowhere."""

import ast
import errno
import logging
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from spo_trace.formats import compiled
from spo_trace.formats.compiled import use_cache

FORMATS = Path(compiled.__file__).parent

COMPILE = """
import os
from spo_trace.formats.compiled import use_cache
print(use_cache())
from spo_trace.formats.bytescan import count_newlines
count_newlines(0, 0)
print(use_cache())
print(os.environ["NUMBA_CACHE_DIR"])
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a cache of its own to each test."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    compiled._passing_directory.cache_clear()
    yield tmp_path / "spo-trace"
    compiled._passing_directory.cache_clear()


def told() -> Path:
    """Return where numba was told to keep things."""
    return Path(os.environ["NUMBA_CACHE_DIR"])


def compile_in_a_process() -> tuple[bool, bool, Path]:
    """Return what `use_cache` says before and after, and the directory."""
    run = [sys.executable, "-c", COMPILE]
    out = subprocess.run(run, capture_output=True, text=True, timeout=60, check=True, cwd=FORMATS.parents[1]).stdout
    before, after, directory = out.splitlines()
    return before == "True", after == "True", Path(directory)


def test_it_is_private_and_says_whether_anything_is_there(cache: Path) -> None:
    # GIVEN no cache yet
    assert use_cache() is False
    # THEN there is one, of this user alone, that numba is told of
    assert told().parent == cache
    assert told().name == f"numba-{compiled._key()}"
    assert stat.S_IMODE(told().stat().st_mode) == 0o700
    assert list(told().iterdir()) == []
    # WHEN compiled code is in it, THEN it says so, and stays
    (told() / "formats_x").mkdir()
    (told() / "formats_x/scan.1.nbi").touch()
    assert use_cache() is False
    (told() / "formats_x/scan.1.nbc").touch()
    assert use_cache() is True


def test_numba_keeps_there_what_it_compiles_and_the_next_process_finds_it(cache: Path) -> None:
    before, after, directory = compile_in_a_process()
    assert (before, after, directory.parent) == (False, True, cache)
    made = {path: path.stat().st_mtime_ns for path in directory.rglob("*.nbc")}
    assert len(made) == 1
    before, after, directory = compile_in_a_process()
    assert (before, after) == (True, True)
    assert {path: path.stat().st_mtime_ns for path in directory.rglob("*.nbc")} == made


@pytest.mark.parametrize("name", compiled._SOURCES)
def test_the_key_is_another_one_when_a_source_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    # GIVEN a copy of the sources
    for path in FORMATS.glob("*.py"):
        shutil.copy(path, tmp_path)
    key = compiled._key()
    monkeypatch.setattr(compiled, "__file__", str(tmp_path / "compiled.py"))
    assert compiled._key() == key
    # WHEN one of them changes, of those that are compiled, THEN so does the key
    (tmp_path / "batch.py").write_bytes(b"")
    assert compiled._key() == key
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes() + b"\n")
    assert compiled._key() != key


@pytest.mark.parametrize("what", ["version", "platform.python_version", "platform.machine"])
def test_the_key_is_another_one_for_another_compiler(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    key = compiled._key()
    monkeypatch.setattr(f"spo_trace.formats.compiled.{what}", lambda *of: "1.2.3")
    assert compiled._key() != key


def test_all_that_is_compiled_is_in_the_key() -> None:
    # GIVEN the modules that the scanner takes functions and constants from
    found: set[str] = set()
    wanted = ["page_scanner"]
    while wanted:
        module = wanted.pop()
        found.add(f"{module}.py")
        tree = ast.parse((FORMATS / f"{module}.py").read_text())
        names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        wanted += [name.rpartition(".")[2] for name in names if name.startswith("spo_trace.")]
    # THEN numba would not notice a change of any but the first; the key does
    assert found == set(compiled._SOURCES)


def _refused(directory: Path) -> None:
    assert directory not in (told(), *told().parents)
    assert told().name.startswith("spo-trace-")
    assert stat.S_IMODE(told().stat().st_mode) == 0o700
    assert list(told().iterdir()) == []


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o1777])
def test_a_cache_that_others_may_write_to_is_not_used(cache: Path, caplog: pytest.LogCaptureFixture, mode: int) -> None:
    caplog.set_level(logging.INFO)
    # GIVEN a cache, or the scanner's place in it, that somebody else could put code into
    use_cache()
    for directory in (told(), cache):
        (cache / "evil.nbc").touch()
        directory.chmod(mode)
        # WHEN it is to be used, THEN it is not, and that is said
        assert use_cache() is False
        _refused(cache)
        assert f"the cache directory {directory} is not yours alone" in caplog.records[-1].getMessage()
        directory.chmod(0o700)


def test_a_cache_of_another_user_is_not_used(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_cache()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert use_cache() is False
    _refused(cache)


def test_a_cache_that_cannot_be_made_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    # GIVEN a file where the cache should be
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    # THEN the code goes to a directory that goes with the process
    assert use_cache() is False
    _refused(tmp_path / "file")
    assert caplog.records[-1].getMessage().startswith("the compiled scanner can't be kept: ")
    # AND it is the same one the next time in this process
    first = told()
    (first / "scan.nbc").touch()
    assert use_cache() is True
    assert told() == first


def test_a_cache_that_cannot_be_written_is_done_without(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a cache on a file system that became read-only
    use_cache()

    def refuse(dir: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(dir))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    # THEN numba is not told of it: it would look in directories that nobody checks
    assert use_cache() is False
    _refused(cache)


def test_what_cannot_be_kept_goes_with_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    before, after, directory = compile_in_a_process()
    assert (before, after, directory.parent) == (False, True, tmp_path)
    assert not directory.exists()
