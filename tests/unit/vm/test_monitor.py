# SPDX-License-Identifier: LGPL-2.1-or-later
"""Dumps of a guest that its console asks for."""

import json
import threading
from pathlib import Path

import pytest

from tests.vm.monitor import Monitor


def peer(monitor: Monitor, answers: list[dict[str, object]], asked: list[str]) -> threading.Thread:
    """Answer the monitor's commands as QEMU does: a greeting first, and events between answers."""

    def run() -> None:
        with monitor.theirs.makefile("rwb") as stream:
            stream.write(b'{"QMP": {}}\n')
            stream.flush()
            for answer in answers:
                request = json.loads(stream.readline())
                asked.append(request["execute"] + " " + request.get("arguments", {}).get("protocol", ""))
                stream.write(b'{"event": "STOP"}\n' + json.dumps(answer).encode() + b"\n")
                stream.flush()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_line_of_the_console_asks_for_a_dump(tmp_path: Path) -> None:
    monitor, asked = Monitor(tmp_path), list[str]()
    qemu = peer(monitor, [{"return": {}}] * 5, asked)
    for chunk in (b"booting\nhost: du", b"mp then", b"\r\nhost: dumps\n"):
        monitor.write(chunk)
    qemu.join()
    monitor.close()
    dumps = [f"dump-guest-memory file:{tmp_path}/then.{suffix}" for suffix in ("elf", "kdump")]
    assert [line.strip() for line in asked] == ["qmp_capabilities", "stop", *dumps, "cont"]
    assert (tmp_path / "then.dumped").exists()


def test_an_error_of_qemu_is_raised(tmp_path: Path) -> None:
    monitor, asked = Monitor(tmp_path), list[str]()
    qemu = peer(monitor, [{"return": {}}, {"error": {"desc": "no"}}], asked)
    with pytest.raises(RuntimeError, match="stop: no"):
        monitor.write(b"host: dump then\n")
    qemu.join()
    monitor.close()
