# SPDX-License-Identifier: LGPL-2.1-or-later
"""Write the owners of swap in the running trace in the format of swap_page_owner with the RFC's patches.

For each input line, writes to the file with that name, and prints a line when it is complete.
"""

import struct
import sys
from pathlib import Path

from spo_trace.probes.server import connect
from spo_trace.probes.symbolizer import Symbolizer, live_symbolizer

# struct owner of bpf/swap_owner.c.
OWNER = struct.Struct("=QQIii16sI")


def main() -> None:
    """Answer until the end of input, because starting Python and reading kallsyms takes a guest some seconds."""
    symbols = live_symbolizer()
    for line in sys.stdin:
        write(Path(line.removesuffix("\n")), symbols)
        print(flush=True)


def write(path: Path, symbols: Symbolizer) -> None:
    """Read everything before writing, so that the trace is not blocked by its client."""
    probes = connect()
    assert probes is not None
    with probes:
        keys, values = probes.read("entries")
        stacks = probes.stacks()
    entries = (key for (key,) in struct.iter_unpack("=Q", keys))
    # A write of one record to the share takes as long as one of many.
    with path.open("wb", buffering=1 << 18) as out:
        for entry, owner in sorted(zip(entries, OWNER.iter_unpack(values), strict=True)):
            ts_nsec, _, handle, pid, tgid, comm, _ = owner
            name = comm.split(b"\0")[0]
            head = b"Page allocated via pid %d, tgid %d (%b), ts %d ns\nSWP entry %#x\n"
            out.write(head % (pid, tgid, name, ts_nsec, entry) + symbols.block(stacks[handle]) + b"\n")


if __name__ == "__main__":
    main()
