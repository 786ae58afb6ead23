# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every process collects the same tests: pytest-xdist stops if the ids differ between its workers."""

import os
import subprocess
import sys
import time
from itertools import groupby
from pathlib import Path

TESTS = Path(__file__).parents[1]
# A test whose id contains a parameter.
TEST = "import os, random, tempfile, time, pytest\n@pytest.mark.parametrize('value', [{}])\ndef test(value): pass\n"


def start_collecting(tests: Path, hash_seed: int) -> subprocess.Popen[str]:
    """Start printing the id of each test below `tests`, including those that boot a kernel."""
    options = ("--collect-only", "-q", "-m", "vm or not vm", "-p", "no:cacheprovider")
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, str(tests)],
        cwd=TESTS.parent,
        env=os.environ | {"PYTHONHASHSEED": str(hash_seed), "PYTEST_ADDOPTS": ""},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def collected(process: subprocess.Popen[str]) -> list[str]:
    """Return the ids that `process` prints, in order."""
    printed = process.communicate(timeout=300)[0]
    assert process.returncode == 0, printed
    return [line for line in printed.splitlines() if "::" in line]


def collected_twice(tests: Path) -> tuple[list[str], list[str]]:
    """Return the ids that two processes print, started a second apart with different hash seeds."""
    first = start_collecting(tests, 1)
    time.sleep(1.1)
    second = start_collecting(tests, 2)
    return collected(first), collected(second)


def test_two_processes_collect_the_same_tests_in_the_same_order() -> None:
    # GIVEN all tests, WHEN two processes collect them
    first, second = collected_twice(TESTS)
    # THEN their ids are the same
    assert len(first) > 1000
    assert any(test.startswith("tests/vm/") for test in first)
    differing = [pair for pair in zip(first, second, strict=False) if pair[0] != pair[1]]
    assert differing[:3] == []
    assert len(first) == len(second)


def test_ids_that_differ_between_processes_are_noticed(tmp_path: Path) -> None:
    # GIVEN tests whose ids depend on the time, chance, the order of a set, the process and its directory
    values = {
        "time": "str(int(time.time()))",
        "random": "str(random.random())",
        "order": "*{'a', 'b', 'c', 'd', 'e', 'f', 'g'}",
        "process": "str(os.getpid())",
        "directory": f"tempfile.mkdtemp(dir={str(tmp_path)!r})",
        "address": "repr(object())",
        "stable": "b'\\xff'",
    }
    for name, value in values.items():
        (tmp_path / f"test_{name}.py").write_text(TEST.format(value))
    # WHEN two processes collect them
    first, second = (by_file(tests) for tests in collected_twice(tmp_path))
    # THEN all but the stable one differ, some only in their order
    assert {name for name in values if first[f"test_{name}.py"] == second[f"test_{name}.py"]} == {"stable"}


def by_file(tests: list[str]) -> dict[str, list[str]]:
    """Return the ids of each file, in order."""
    return {file: list(ids) for file, ids in groupby(tests, lambda test: Path(test.partition("::")[0]).name)}
