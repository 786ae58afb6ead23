# SPDX-License-Identifier: LGPL-2.1-or-later
"""contrib/kselftest: TAP and exit codes, with a stub that takes real captures in place of snapshots."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import CARRIED

SCRIPT = Path(__file__).parents[2] / "contrib" / "kselftest" / "page_owner_leak.sh"
REAL = Path(sys.executable).with_name("spo-trace")
# Each snapshot is the next of $CAPTURES.
STUB = f"""#!/bin/sh
case $1 in
    doctor) echo "no page_owner"; exit ${{DOCTOR:-0}} ;;
    snapshot)
        next=$(cat "$0.next" 2> /dev/null || echo 1)
        echo $((next + 1)) > "$0.next"
        exec {REAL} snapshot --from "$(echo $CAPTURES | cut -d ' ' -f $next)" "$2" "$3" "$4" ;;
    *) exec {REAL} "$@" ;;
esac
"""
SPO = CARRIED / "7.2-spo"
GREW = f"{SPO}/0-initial {SPO}/1-dd256"
SAME = f"{SPO}/1-dd256 {SPO}/1-dd256"


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return a PATH with the stub."""
    stub = tmp_path / "spo-trace"
    stub.write_text(STUB)
    stub.chmod(0o755)
    return f"{tmp_path}:{os.environ['PATH']}"


def ran(path: str, *command: str, **environment: str) -> tuple[int, list[str], str]:
    """Return the exit code, the lines that are not comments, and the comments."""
    done = subprocess.run(
        [SCRIPT, *command], env={**os.environ, "PATH": path, **environment}, capture_output=True, text=True, timeout=120
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    return done.returncode, [line for line in lines if not line.startswith("# ")], done.stdout


def test_a_command_that_leaks_nothing_passes(path: str, tmp_path: Path) -> None:
    code, lines, said = ran(path, "echo", "ok 7 hello", CAPTURES=SAME, KEEP=str(tmp_path))
    assert (code, lines) == (0, ["TAP version 13", "1..2", "ok 1 echo", "ok 2 no owner grew by more than 1MiB"])
    # It ran twice, and its output is no result.
    assert said.count("# ok 7 hello\n") == 2
    assert {"before.spo", "after.spo"} <= {one.name for one in tmp_path.iterdir()}


def test_growth_is_a_failure(path: str) -> None:
    code, lines, said = ran(path, "true", CAPTURES=GREW)
    assert (code, lines[1:]) == (1, ["1..2", "ok 1 true", "not ok 2 an owner grew by more than 1MiB"])
    assert re.search(r"^# shmem_alloc_folio +\+256.00 MiB", said, re.MULTILINE)


def test_memory_that_may_grow(path: str) -> None:
    code, lines, _ = ran(path, "true", CAPTURES=GREW, WHERE='category != "tmpfs/shmem"', LIMIT="2MiB", BY="category")
    assert (code, lines[-1]) == (0, "ok 2 no owner grew by more than 2MiB")


def test_the_page_cache_does_not_count_by_default(path: str) -> None:
    # GIVEN captures between which a file was swapped in, and programs were read
    captures = f"{SPO}/2-swapped {SPO}/3-back"
    assert "page cache" not in ran(path, "true", CAPTURES=captures, BY="category", LIMIT="1TiB")[2]
    Path(path.partition(":")[0], "spo-trace.next").unlink()
    assert "\n# page cache " in ran(path, "true", CAPTURES=captures, BY="category", LIMIT="1TiB", WHERE="")[2]


def test_a_wrong_limit_is_no_success(path: str) -> None:
    code, lines, said = ran(path, "true", CAPTURES=SAME, LIMIT="much")
    assert (code, lines[-1]) == (1, "not ok 2 the snapshots could not be compared # exit=2")
    assert "# spo-trace: error: " in said


def test_a_command_that_fails(path: str) -> None:
    code, lines, _ = ran(path, "sh", "-c", "exit 7", CAPTURES=GREW)
    assert (code, lines[2]) == (1, "not ok 1 sh # exit=7")


def test_a_command_that_is_skipped(path: str) -> None:
    assert ran(path, "sh", "-c", "exit 4", CAPTURES=GREW)[:2] == (4, ["TAP version 13", "1..0 # SKIP sh was skipped"])


def test_a_machine_without_page_owner_is_skipped(path: str) -> None:
    code, lines, said = ran(path, "true", CAPTURES=GREW, DOCTOR="1")
    assert (code, lines[-1]) == (4, "1..0 # SKIP snapshots are impossible on this machine")
    assert "# no page_owner\n" in said


def test_a_snapshot_that_fails_ends_the_test(path: str) -> None:
    code, lines, _ = ran(path, "true", CAPTURES="/nonexistent /nonexistent")
    assert (code, lines[-1]) == (1, "Bail out! no snapshot before the test")


def test_without_spo_trace(tmp_path: Path) -> None:
    for tool in ("sh", "mktemp", "rm", "sed"):
        (tmp_path / tool).symlink_to(f"/bin/{tool}" if Path(f"/bin/{tool}").exists() else f"/usr/bin/{tool}")
    code, lines, _ = ran(str(tmp_path), "true")
    assert (code, lines[-1]) == (4, "1..0 # SKIP spo-trace is not installed")
