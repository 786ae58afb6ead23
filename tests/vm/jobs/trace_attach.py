# SPDX-License-Identifier: LGPL-2.1-or-later
"""Open the programs of a running trace, kill it, and attach and detach them repeatedly without it.

trace_attach.py PID TIMES
"""

import ctypes
import os
import signal
import struct
import sys
from pathlib import Path
from time import sleep

SYSCALL = 321  # of x86_64
PROG_GET_NEXT_ID, PROG_GET_FD_BY_ID, OBJ_GET_INFO_BY_FD, RAW_TRACEPOINT_OPEN = 11, 13, 15, 17


def bpf(command: int, attributes: "ctypes.Array[ctypes.c_char]") -> int:
    """Call bpf(2)."""
    return int(ctypes.CDLL(None).syscall(ctypes.c_long(SYSCALL), command, attributes, len(attributes)))


def programs() -> dict[str, int]:
    """Open all programs, by the first 15 bytes of their names."""
    found: dict[str, int] = {}
    number = 0
    while True:
        attributes = ctypes.create_string_buffer(struct.pack("=III", number, 0, 0), 12)
        if bpf(PROG_GET_NEXT_ID, attributes) < 0:
            return found
        number = struct.unpack_from("=I", attributes, 4)[0]
        fd = bpf(PROG_GET_FD_BY_ID, ctypes.create_string_buffer(struct.pack("=III", number, 0, 0), 12))
        info = ctypes.create_string_buffer(80)
        bpf(OBJ_GET_INFO_BY_FD, ctypes.create_string_buffer(struct.pack("=IIQ", fd, 80, ctypes.addressof(info)), 16))
        found[info.raw[64:].split(b"\0")[0].decode()] = fd


def attach(fd: int) -> int:
    """Attach a fentry program to the function for which it was loaded, and return the link."""
    return bpf(RAW_TRACEPOINT_OPEN, ctypes.create_string_buffer(struct.pack("=QII", 0, fd, 0), 16))


def main(pid: int, times: int) -> None:
    """Open the loaded programs, then run the rounds."""
    held = {name: fd for name, fd in programs().items() if name != "peek"}
    os.kill(pid, signal.SIGKILL)
    # Its links are released a moment later.
    while Path("/sys/kernel/tracing/enabled_functions").read_text():
        sleep(0.1)
    for _ in range(times):
        links = [attach(fd) for fd in held.values()]
        assert min(links) >= 0, links
        for link in links:
            os.close(link)
    print(f"{len(held)} programs attached and detached {times} times")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
