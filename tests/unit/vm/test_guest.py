# SPDX-License-Identifier: LGPL-2.1-or-later
import io
import os
from pathlib import Path

import pytest

from tests.vm import guest, qemu

MACHINE = qemu.Machine(Path("/k/bzImage"), disks_mib=(3,))


class FakeQemu:
    """A script that replaces QEMU; $OUT is the share."""

    def __init__(self, directory: Path, out: Path) -> None:
        self._script = directory / "qemu"
        self._out = out

    def does(self, script: str) -> None:
        self._script.write_text(f"#!/bin/sh\nOUT={self._out}\n{script}\n")
        self._script.chmod(0o755)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def fake(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> FakeQemu:
    monkeypatch.setenv("SPO_TRACE_GUEST_LOCK", str(tmp_path / "lock"))
    monkeypatch.setenv("SPO_TRACE_ACCEL", "tcg")
    monkeypatch.setattr(qemu, "QEMU", str(tmp_path / "qemu"))
    return FakeQemu(tmp_path, out)


def test_a_successful_job_returns_its_log(fake: FakeQemu, out: Path) -> None:
    fake.does(r"echo booting; printf 'fine \377\n' > $OUT/job.log; echo 0 > $OUT/status")
    echo = io.BytesIO()

    outcome = guest.run(MACHINE, "true", out, echo=echo)

    assert outcome.log == "fine \\xff\n"
    assert echo.getvalue() == (out / "console.log").read_bytes() == b"booting\n"


def test_the_job_runs_with_the_helpers_and_this_python_first(fake: FakeQemu, out: Path) -> None:
    fake.does("bash $OUT/job.sh > $OUT/job.log; echo $? > $OUT/status")

    outcome = guest.run(
        MACHINE, 'command -v python; type -t capture; echo "$WORD"', out, environment={"WORD": "it's so"}
    )

    python, kind, word = outcome.log.splitlines()
    assert (Path(python).name, kind, word) == ("python", "function", "it's so")


def test_with_a_user_space_the_job_runs_inside_it(fake: FakeQemu, out: Path, tmp_path: Path) -> None:
    fake.does("cat $OUT/job.sh $OUT/inside.sh > $OUT/job.log; echo 0 > $OUT/status")

    outcome = guest.run(MACHINE, "spo-trace doctor", out, environment={"HEADERS": "/h"}, userland=tmp_path / "trixie")

    # Outside, the script uses the tree and the checkout; inside, the tree's Python and the mounted checkout.
    outside, inside = outcome.log.split("enter.sh\n")
    assert f"export TREE={tmp_path}/trixie\n" in outside
    assert f"export CHECKOUT={guest.CHECKOUT}\n" in outside
    assert "export HEADERS=/h\n" in outside
    assert "export PATH=/opt/spo-trace/bin:" in inside
    assert "export VM=/usr/src/spo-trace/tests/vm\n" in inside
    assert inside.endswith(". /usr/src/spo-trace/tests/vm/guest/lib.sh\nspo-trace doctor")


def test_a_failed_job_shows_its_log_and_the_console(fake: FakeQemu, out: Path) -> None:
    fake.does("echo a console line; echo went wrong > $OUT/job.log; echo 4 > $OUT/status")

    with pytest.raises(guest.GuestError, match=r"exit status: 4\nwent wrong\n[^$]*a console line"):
        guest.run(MACHINE, "true", out)


def test_a_guest_that_died_is_an_error_in_spite_of_earlier_files(fake: FakeQemu, out: Path) -> None:
    out.mkdir()
    (out / "status").write_text("0\n")
    fake.does("echo Kernel panic")

    with pytest.raises(guest.GuestError, match=r"the guest died[^$]*Kernel panic"):
        guest.run(MACHINE, "true", out)


def test_a_guest_that_exceeds_its_time_limit_is_killed(fake: FakeQemu, out: Path) -> None:
    fake.does("echo $$ > $OUT/pid; echo still busy; exec sleep 1000")

    with pytest.raises(guest.GuestError, match=r"not done after 0.5 s\nstill busy"):
        guest.run(MACHINE, "true", out, time_limit=0.5)

    with pytest.raises(ProcessLookupError):
        os.kill(int((out / "pid").read_text()), 0)


def test_a_guest_that_floods_its_console_is_killed(fake: FakeQemu, out: Path) -> None:
    fake.does("exec yes")

    with pytest.raises(guest.GuestError, match="not done after"):
        guest.run(MACHINE, "true", out, time_limit=0.5)


def test_an_interrupt_kills_the_guest(fake: FakeQemu, out: Path) -> None:
    class Interrupting(io.BytesIO):
        def write(self, _: object) -> int:
            raise KeyboardInterrupt

    fake.does("echo $$ > $OUT/pid; echo up; exec sleep 1000")

    with pytest.raises(KeyboardInterrupt):
        guest.run(MACHINE, "true", out, echo=Interrupting())

    with pytest.raises(ProcessLookupError):
        os.kill(int((out / "pid").read_text()), 0)


def test_the_swap_disk_has_its_size_and_is_unnamed(fake: FakeQemu, out: Path, tmp_path: Path) -> None:
    fake.does('for f in /proc/$$/fd/*; do stat -Lc "%s %h" $f; done > $OUT/job.log; echo 0 > $OUT/status')

    outcome = guest.run(MACHINE, "true", out)

    assert f"{3 << 20} 0" in outcome.log.splitlines()
