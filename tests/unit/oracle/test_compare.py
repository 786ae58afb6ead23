# SPDX-License-Identifier: LGPL-2.1-or-later
"""compare.py detects wrong results of spo-trace, for which a script stands in."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.oracle import compare
from tests.unit.oracle.test_framed import entry, page

STAND_IN = """#!{python}
import sys
command, _, by, key, *rest = sys.argv[1:]
assert [command, by, *rest] == ["report", "--by", "--top", "0", "--format", "json"], sys.argv
print({answers!r}[key])
"""
COMM = [
    {"comm": "new\\nline", "mem_pages": 2, "swap_pages": 1},
    {"comm": "", "mem_pages": 1, "swap_pages": 0},
]
STACK = [{"stack": "a+0x1/0x2", "mem_pages": 3, "swap_pages": 1}]


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    (tmp_path / "page_owner").write_bytes(page(b"new\nline", 1) + page(b""))
    (tmp_path / "swap_page_owner").write_bytes(entry(b"new\nline"))
    return tmp_path


def answer(monkeypatch: pytest.MonkeyPatch, path: Path, **answers: object) -> None:
    """Set $SPO_TRACE to a script that prints these tables."""
    texts = {key: json.dumps(rows) for key, rows in answers.items()}
    path.write_text(STAND_IN.format(python=sys.executable, answers=texts))
    path.chmod(0o755)
    monkeypatch.setenv("SPO_TRACE", str(path))


def test_a_right_answer_is_ok(stage: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    answer(monkeypatch, stage / "stand-in", comm=COMM, stack=STACK)
    assert compare.main([str(stage)]) == 0
    assert capsys.readouterr().out == f"{stage}: OK\n"


def test_a_wrong_answer_is_shown(
    stage: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, stage / "stand-in", comm=COMM[:1], stack=[{**STACK[0], "mem_pages": 2}])
    assert compare.main([str(stage)]) == 1
    assert capsys.readouterr().out == (
        f"{stage}: comm '': expected (1, 0), spo-trace says (0, 0); "
        "stack 'a+0x1/0x2': expected (3, 1), spo-trace says (2, 1)\n"
    )


def test_a_failing_command_is_shown(
    stage: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, stage / "stand-in", comm=COMM)  # raises KeyError for the stacks
    assert compare.main([str(stage)]) == 1
    assert f"{stage}: report --by stack failed (1): " in capsys.readouterr().out


def test_it_can_run_as_a_script_in_any_directory(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, compare.__file__, tmp_path],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "usage: compare.py DIR... (no page_owner found)\n"
