# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU's monitor (QMP): dumps of a guest's memory, taken when its console asks for one."""

import json
import socket
from collections.abc import Mapping
from pathlib import Path

__all__ = ["FORMATS", "Monitor"]

# The suffix of each file, and QEMU's name of the format (docs/interop/qmp: dump-guest-memory).
FORMATS = {"elf": "elf", "kdump": "kdump-zlib"}

_MARK = b"host: dump "


class Monitor:
    """Follow a console, and write `out`/NAME.elf and NAME.kdump at each line `host: dump NAME`.

    The guest stands still meanwhile; NAME.dumped appears in `out` when both are complete.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._ours, self.theirs = socket.socketpair()
        self._stream = self._ours.makefile("rwb")
        self._line = b""
        self._greeted = False

    def write(self, chunk: bytes) -> int:
        """Take the next bytes of the console."""
        *lines, self._line = (self._line + chunk).split(b"\n")
        for line in lines:
            if line.startswith(_MARK):
                self._dump(line.removeprefix(_MARK).strip().decode())
        return len(chunk)

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()
        self._ours.close()
        self.theirs.close()

    def _dump(self, name: str) -> None:
        if not self._greeted:
            self._stream.readline()
            self._run("qmp_capabilities")
            self._greeted = True
        self._run("stop")
        for suffix, kind in FORMATS.items():
            file = self._out / f"{name}.{suffix}"
            self._run("dump-guest-memory", {"paging": False, "protocol": f"file:{file}", "format": kind})
        self._run("cont")
        (self._out / f"{name}.dumped").touch()

    def _run(self, command: str, arguments: Mapping[str, object] | None = None) -> None:
        request = {"execute": command, **({"arguments": arguments} if arguments else {})}
        self._stream.write(json.dumps(request).encode() + b"\n")
        self._stream.flush()
        while line := self._stream.readline():
            answer = json.loads(line)
            if "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return
        raise RuntimeError(f"{command}: QEMU is gone")
