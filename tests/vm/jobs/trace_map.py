# SPDX-License-Identifier: LGPL-2.1-or-later
"""Write what the running trace knows of swap as a kernel with the RFC's patches prints swap_page_owner.

For each line that comes, into the file that it names; answers with a line when that is done.
"""

import struct
import sys
from pathlib import Path

from spo_trace.probes.server import connect
from spo_trace.probes.symbolizer import Symbolizer, live_symbolizer

# struct owner of bpf/swap_owner.c.
OWNER = struct.Struct("=QQIii16sI")


def main() -> None:
    """Answer until there are no more lines: to start Python and read kallsyms takes a guest some seconds."""
    symbols = live_symbolizer()
    for line in sys.stdin:
        write(Path(line.removesuffix("\n")), symbols)
        print(flush=True)


def write(path: Path, symbols: Symbolizer) -> None:
    """Ask first, as what is read then is written; the trace is not to be held up by who asked."""
    probes = connect()
    assert probes is not None
    with probes:
        keys, values = probes.read("entries")
        stacks = probes.stacks()
    entries = (key for (key,) in struct.iter_unpack("=Q", keys))
    # A write to the share takes as long for one record as for many.
    with path.open("wb", buffering=1 << 18) as out:
        for entry, owner in sorted(zip(entries, OWNER.iter_unpack(values), strict=True)):
            ts_nsec, _, handle, pid, tgid, comm, _ = owner
            name = comm.split(b"\0")[0]
            head = b"Page allocated via pid %d, tgid %d (%b), ts %d ns\nSWP entry %#x\n"
            out.write(head % (pid, tgid, name, ts_nsec, entry) + symbols.block(stacks[handle]) + b"\n")


if __name__ == "__main__":
    main()
