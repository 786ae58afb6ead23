# SPDX-License-Identifier: LGPL-2.1-or-later
"""The processes and the cgroups, each with what can be compared with owners of pages."""

import errno
import os
from collections.abc import Iterator

from spo_trace.collector.machine import find_cgroups
from spo_trace.collector.output import Output, write
from spo_trace.limits import MAX_LIST_BYTES

__all__ = ["list_cgroups", "list_processes"]

_STATUS_BYTES = 64 << 10
_MAX_DEPTH = 64
_FIELDS_AFTER_COMM = 20

# To print smaps_rollup, the kernel walks the page tables, and holds mmap_lock meanwhile: of a process of 1 GiB for
# about 10 ms. A larger process could notice.
_WALKED_KIB = 1 << 20


def list_processes(output: Output, root: bytes) -> None:
    """Write the file `processes`: for each process, lines as of /proc/PID/status, and an empty line."""
    path = root + b"/proc"
    try:
        names = os.listdir(path)
    except OSError as error:
        output.error("processes", error.errno or errno.EIO, path)
        return
    _write(output, "processes", (_process(path + b"/" + pid, pid) for pid in names if not pid.strip(b"0123456789")))


def list_cgroups(output: Output, root: bytes) -> None:
    """Write the file `cgroups`: for each cgroup, its inode, memory.swap.current or `-`, and its path."""
    path = find_cgroups(root)
    if path is None:
        output.error("cgroups", errno.ENOENT, None, "no cgroup2 file system")
        return
    _write(output, "cgroups", _cgroups(path, b"", 0))


def _write(output: Output, name: str, pieces: Iterator[bytes]) -> None:
    fd = output.begin(name)
    total = 0
    for piece in pieces:
        write(fd, piece)
        total += len(piece)
        if total >= MAX_LIST_BYTES:
            break
    output.end(fd, True)


# A process may end at any time: then it is left out, or has fewer lines.
def _process(directory: bytes, pid: bytes) -> bytes:
    status = _read(directory + b"/status", _STATUS_BYTES)
    if not status:
        return b""
    lines = [b"Pid:\t" + pid]
    for key in (b"Name:", b"VmSwap:"):
        lines += _line(status, key)
    # The part of VmSwap that is the process's own: processes share swap after fork(2).
    swap = _kib(status, b"VmSwap:")
    if swap and swap + _kib(status, b"VmRSS:") <= _WALKED_KIB:
        lines += _line(_read(directory + b"/smaps_rollup", _STATUS_BYTES), b"SwapPss:")
    fields = _read(directory + b"/stat", _STATUS_BYTES).rpartition(b")")[2].split(b"\n")[0].split(b" ")
    if len(fields) > _FIELDS_AFTER_COMM:
        lines.append(b"StartTime:\t" + fields[_FIELDS_AFTER_COMM])
    lines += [b"Cgroup:\t" + line[3:] for line in _line(_read(directory + b"/cgroup", _STATUS_BYTES), b"0::")]
    return b"\n".join(lines) + b"\n\n"


def _line(text: bytes, key: bytes) -> list[bytes]:
    return [line for line in text.split(b"\n") if line.startswith(key)][:1]


# The number of a line of /proc/PID/status, such as `VmSwap:\t      16 kB`; 0 without it.
def _kib(status: bytes, key: bytes) -> int:
    words = b"".join(_line(status, key)).split()
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def _cgroups(directory: bytes, path: bytes, depth: int) -> Iterator[bytes]:
    try:
        inode = os.stat(directory).st_ino
    except OSError:
        return
    # The root has no such file, and without swap accounting no cgroup has.
    swap = _read(directory + b"/memory.swap.current", 31).split(b"\n")[0] or b"-"
    yield b"%d %b %b\n" % (inode, swap, path or b"/")
    if depth == _MAX_DEPTH:
        return
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _cgroups(directory + b"/" + entry.name, path + b"/" + entry.name, depth + 1)
    except OSError:
        return


def _read(path: bytes, size: int) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return b""
    text = b""
    try:
        while len(text) < size - 1 and (part := os.read(fd, size - 1 - len(text))):
            text += part
    except OSError:
        return text
    finally:
        os.close(fd)
    return text
