# SPDX-License-Identifier: LGPL-2.1-or-later
"""Count the BPF programs, maps and links in the kernel, like bpftool."""

import ctypes
import errno
import struct

SYSCALL = 321  # of x86_64
NEXT_ID = {"programs": 11, "maps": 12, "links": 31}


def count(command: int) -> int:
    """Iterate over the IDs of each kind."""
    libc = ctypes.CDLL(None, use_errno=True)
    attributes = ctypes.create_string_buffer(12)
    found = number = 0
    while True:
        struct.pack_into("=III", attributes, 0, number, 0, 0)
        if libc.syscall(ctypes.c_long(SYSCALL), command, attributes, 12) < 0:
            assert ctypes.get_errno() == errno.ENOENT
            return found
        number = struct.unpack_from("=I", attributes, 4)[0]
        found += 1


if __name__ == "__main__":
    print(", ".join(f"{count(command)} {name}" for name, command in NEXT_ID.items()))
