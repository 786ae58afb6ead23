# SPDX-License-Identifier: LGPL-2.1-or-later
"""Print what the running trace knows of swap as a kernel with the RFC's patches prints swap_page_owner."""

import struct
import sys

from spo_trace.probes.server import connect
from spo_trace.probes.symbols import live_symbolizer

# struct owner of bpf/swap_owner.c.
OWNER = struct.Struct("=QQIii16sI")


def main() -> None:
    """Ask first, as what is read then is printed."""
    probes = connect()
    assert probes is not None
    keys, values = probes.read("entries")
    stacks = probes.stacks()
    symbols = live_symbolizer()
    entries = (key for (key,) in struct.iter_unpack("=Q", keys))
    # A write to the share takes as long for one record as for many.
    with open(sys.stdout.fileno(), "wb", buffering=1 << 18, closefd=False) as out:
        for entry, owner in sorted(zip(entries, OWNER.iter_unpack(values), strict=True)):
            ts_nsec, _, handle, pid, tgid, comm, _ = owner
            name = comm.split(b"\0")[0]
            head = b"Page allocated via pid %d, tgid %d (%b), ts %d ns\nSWP entry %#x\n"
            out.write(head % (pid, tgid, name, ts_nsec, entry) + symbols.block(stacks[handle]) + b"\n")


if __name__ == "__main__":
    main()
