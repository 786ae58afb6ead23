# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hold memory of each kind, in one process for each, until the parent is told to end.

    kinds.py POLICY DIRECTORY

POLICY: default, or a NUMA policy (interleave, many) under which all of it is allocated. DIRECTORY: on tmpfs. A process
is named after its kind. Prints `KIND: held` or `KIND: REASON` for each, then `all held`; ends on SIGTERM.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

MIB = 1 << 20
HUGE = 2 * MIB
PR_SET_NAME = 15
# Of include/uapi/linux/mempolicy.h.
POLICIES = {"default": 0, "interleave": 3, "many": 5}
# Of x86_64.
SYS_SET_MEMPOLICY, SYS_PERF_EVENT_OPEN, SYS_BPF, SYS_IO_URING_SETUP = 238, 298, 321, 425
PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
MAP_HUGETLB = 0x40000
MADV_MERGEABLE = 12

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long


class Missing(Exception):
    """This kernel lacks the kind."""


def main(policy: str, directory: str) -> None:
    """Start the processes, report each, and wait."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    nodes = struct.pack("Q", sum(1 << node for node in nodes_online()))
    syscall(SYS_SET_MEMPOLICY, POLICIES[policy], nodes if POLICIES[policy] else None, 64)
    # Too small a number of nodes for a policy of several is accepted.
    children = [start(kind, hold, Path(directory)) for kind, hold in KINDS.items()]
    print("all held", flush=True)
    signal.sigwait({signal.SIGTERM})
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def nodes_online() -> list[int]:
    """Return the NUMA nodes with memory."""
    found = Path("/sys/devices/system/node").glob("node[0-9]*")
    return sorted(int(path.name.removeprefix("node")) for path in found) or [0]


def start(kind: str, hold: Callable[[Path], object], directory: Path) -> int:
    """Fork the process of a kind, wait until it has its memory, and print the result."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        LIBC.prctl(PR_SET_NAME, kind.encode() + b"\0", 0, 0, 0)
        try:
            held = hold(directory)
            said = "held"
        except Missing as missing:
            held, said = None, str(missing)
        os.write(write, said.encode())
        os.close(write)
        signal.pause()
        os._exit(held is None)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        print(f"{kind}: {pipe.read().decode() or 'ended'}", flush=True)
    return pid


def syscall(number: int, *arguments: object) -> int:
    """Call the kernel; raise Missing if it does not have this."""
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    result = int(LIBC.syscall(ctypes.c_long(number), *words))
    if result < 0:
        code = ctypes.get_errno()
        raise Missing(f"missing: {errno.errorcode[code]}")
    return result


def area(size: int, *, huge: bool = False, flags: int = PRIVATE) -> mmap.mmap:
    """Return anonymous memory, not touched yet."""
    got = mmap.mmap(-1, size, flags=flags)
    got.madvise(mmap.MADV_HUGEPAGE if huge else mmap.MADV_NOHUGEPAGE)
    return got


def fill(memory: mmap.mmap, text: bytes = b"") -> mmap.mmap:
    """Write to each page: a number of its own, or `text`."""
    for at in range(0, len(memory), mmap.PAGESIZE):
        word = text or (os.getpid() << 32 | at + 1).to_bytes(8, "little")
        memory[at : at + len(word)] = word
    return memory


def merged(_: Path) -> object:
    """Return memory whose pages are equal, so that KSM merges them."""
    memory = area(MIB)
    try:
        memory.madvise(MADV_MERGEABLE)
    except OSError as error:
        raise Missing("missing: KSM") from error
    return fill(memory, b"the same")


def hugetlb(_: Path) -> object:
    """Return memory of hugetlb; the caller has reserved pages."""
    try:
        return fill(mmap.mmap(-1, HUGE, flags=PRIVATE | MAP_HUGETLB))
    except OSError as error:
        raise Missing("missing: hugetlb") from error


def shmem(directory: Path) -> object:
    """Write a file on tmpfs and a memfd."""
    (directory / "file").write_bytes(b"x" * MIB)
    memfd = os.memfd_create("memfd")
    os.write(memfd, b"y" * MIB)
    return memfd


def pagecache(_: Path) -> object:
    """Read the disk, and files of the root file system."""
    disk = os.open("/dev/vda", os.O_RDONLY)
    for at in range(0, 4 * MIB, MIB):
        os.pread(disk, MIB, at)
    for path in list(Path("/usr/include/linux").glob("*.h"))[:100]:
        path.read_bytes()
    return disk


def pipes(_: Path) -> object:
    """Fill pipes; one has a large ring of buffers."""
    ends = [os.pipe() for _ in range(16)]
    fcntl.fcntl(ends[0][1], fcntl.F_SETPIPE_SZ, MIB)
    for end in ends:
        os.set_blocking(end[1], False)
        with suppress(BlockingIOError):
            while True:
                os.write(end[1], b"z" * 65536)
    return ends


def sockets(_: Path) -> object:
    """Fill sockets: streams and datagrams, local and TCP over lo."""
    link_up("lo")
    server = socket.create_server(("127.0.0.1", 0))
    tcp = socket.create_connection(server.getsockname())
    pairs = [socket.socketpair(socket.AF_UNIX, kind) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
    for sender in (tcp, *(pair[0] for pair in pairs)):
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MIB)
        sender.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                sender.send(b"z" * 32768)
    return server, server.accept(), tcp, pairs


def link_up(name: str) -> None:
    """Set the interface up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, 0x8914, struct.pack("16sH14x", name.encode(), 0x1))  # SIOCSIFFLAGS, IFF_UP


def page_tables(_: Path) -> object:
    """Read one byte of every 2 MiB: page tables, and only the zero page."""
    memory = area(512 * MIB)
    for at in range(0, len(memory), HUGE):
        memory[at]
    return memory


def objects(directory: Path) -> object:
    """Create empty files: inodes and directory entries."""
    for number in range(1000):
        (directory / f"empty-{number}").touch()
    return directory


def stacks(_: Path) -> object:
    """Start threads."""
    threads = [threading.Thread(target=signal.pause, daemon=True) for _ in range(16)]
    for thread in threads:
        thread.start()
    return threads


def bpf(_: Path) -> object:
    """Create an array in vmalloc memory, a hash table and a ring buffer."""
    array, hash_table, ring = 2, 1, 27
    return [
        syscall(SYS_BPF, 0, struct.pack("5I60x", kind, key, value, entries, 0), 80)
        for kind, key, value, entries in ((array, 4, 8192, 64), (hash_table, 4, 4096, 64), (ring, 0, 0, 262144))
    ]


def io_uring(_: Path) -> object:
    """Create rings."""
    return syscall(SYS_IO_URING_SETUP, 4096, ctypes.create_string_buffer(120))


def perf(_: Path) -> object:
    """Open a software event with a ring buffer."""
    attributes = struct.pack("2I5Q", 1, 112, 9, 100000, 0, 0, 0) + bytes(64)  # PERF_COUNT_SW_DUMMY
    event = syscall(SYS_PERF_EVENT_OPEN, attributes, 0, -1, -1, 0)
    return mmap.mmap(event, 65 * mmap.PAGESIZE)


KINDS: dict[str, Callable[[Path], object]] = {
    "k-anon": lambda _: fill(area(2 * MIB)),
    "k-thp": lambda _: fill(area(2 * HUGE, huge=True)),
    "k-ksm": merged,
    "k-hugetlb": hugetlb,
    "k-shmem": shmem,
    "k-pagecache": pagecache,
    "k-pipe": pipes,
    "k-socket": sockets,
    "k-tables": page_tables,
    "k-objects": objects,
    "k-stacks": stacks,
    "k-bpf": bpf,
    "k-io_uring": io_uring,
    "k-perf": perf,
}

if __name__ == "__main__":
    main(*sys.argv[1:])
