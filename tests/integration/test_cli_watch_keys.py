# SPDX-License-Identifier: LGPL-2.1-or-later
"""The keys of watch in a real terminal, which is as before whenever watch ends or stops."""

import re
import signal
from pathlib import Path

import pytest

from tests.support import EXECUTABLE, MACHINE, capture, page
from tests.terminal import in_shell, in_terminal

LEAK = ["watch", "--from", "leak", "--backend", "simulator", "-n", "1000"]
ENTERED, LEFT = b"\x1b[?1049h", b"\x1b[?1049l"


def test_keys(tmp_path: Path) -> None:
    script = [
        *[(b"q quit", b"s"), (b"sort: interval", b"fwork\r"), (b"filter: work  ", b"\r")],
        *[(b"Sample 1 of worker", b"\x1b"), (b"Enter stacks", b"bcategory\r"), (b"Sample 1 by category", b"bx\r")],
        *[(b"there is no key 'x'", b"p"), (b"p go on", b"q")],
    ]
    code, seen = in_terminal([*LEAK, "--record", "r"], tmp_path, script=script)
    assert code == 0
    zoomed = seen[seen.index(b"Sample 1 by comm") : seen.index(b"Sample 1 of worker")]
    assert b"    get_page_from_freelist+0x" in zoomed
    # The last view stays, without the keys, and the recording has the keys of the command line.
    stays = seen[seen.rindex(LEFT) :]
    assert b"Sample 1 by category" in stays and b"q quit" not in stays
    assert b"Wrote r: 1 sample; next: spo-trace trend r" in stays
    assert '"comm"' in (tmp_path / "r/series.json").read_text()


def test_a_pause_lasts_until_the_next_key(tmp_path: Path) -> None:
    # GIVEN samples without a pause between them, WHEN p is pressed twice, THEN the samples go on to the last one
    arguments = ["watch", "--from", "leak", "--backend", "simulator"]
    code, seen = in_terminal(arguments, tmp_path, script=[(b"q quit", b"p"), (b"p go on", b"p")])
    assert code == 0
    assert b"Sample 10 by comm" in seen[seen.rindex(LEFT) :]


def test_suspend_and_quit_in_a_shell(tmp_path: Path) -> None:
    command = " ".join([str(EXECUTABLE), *LEAK]).encode()
    script = [
        *[(b"$ ", command + b"\n"), (b"q quit", b"\x1a"), (b"Stopped", b"stty -a; echo at $((40+2))\n")],
        *[(b"at 42", b"fg\n"), (ENTERED, b""), (b"q quit", b"s"), (b"sort: interval", b"\x1c")],
        # After Ctrl-\, what is typed before the prompt is dropped.
        *[
            (LEFT, b""),
            (b"$ ", b"echo code=$?\n"),
            (b"code=131", b"stty -a; echo at $((40+3))\n"),
            (b"at 43", b"exit\n"),
        ],
    ]
    seen = in_shell(tmp_path, script)
    assert b"at 43" in seen, seen
    assert seen.count(ENTERED) == seen.count(LEFT) == 2
    assert seen.index(LEFT) < seen.index(b"Stopped")
    # THEN the shell has a terminal with lines and an echo, and a cursor, both times
    assert len(re.findall(rb"[ ;]icanon [^;]*[ ;]echo ", seen)) == 2
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGQUIT, 131), (signal.SIGTERM, 143)])
def test_a_signal_restores_the_screen(tmp_path: Path, number: int, code: int) -> None:
    left, seen = in_terminal(LEAK, tmp_path, until=b"q quit", number=number)
    assert left == code
    assert seen.count(ENTERED) == seen.count(LEFT) == 1


def test_an_error_restores_the_screen(tmp_path: Path) -> None:
    # GIVEN two captures of different boots
    for name, boot in (("a", b"1" * 8), ("b", b"2" * 8)):
        boot_id = boot + b"-2222-3333-4444-555555555555\n"
        capture(tmp_path / "c" / name, {**MACHINE, "boot_id": boot_id, "page_owner": page()})
    code, seen = in_terminal(["watch", "--from", "c"], tmp_path)
    assert code == 1
    assert seen.count(ENTERED) == seen.count(LEFT) == 1
    assert seen.index(b"different boots") > seen.index(LEFT)


def test_without_a_terminal_to_type_on(tmp_path: Path) -> None:
    code, seen = in_terminal([*LEAK, "--count", "1"], tmp_path, stdin=False)
    assert code == 0
    assert b"Ctrl-C stops" in seen and b"q quit" not in seen
