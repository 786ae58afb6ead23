# SPDX-License-Identifier: LGPL-2.1-or-later
"""The options, and the order in which everything is read; see native/collect/main.c."""

import getopt
import os
import signal
import sys
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

from spo_trace.collector.lists import list_cgroups, list_processes
from spo_trace.collector.machine import find_debugfs
from spo_trace.collector.messages import CollectError, warn
from spo_trace.collector.output import Output
from spo_trace.collector.packed import Packed
from spo_trace.collector.progress import Progress
from spo_trace.collector.records import RecordCopy
from spo_trace.collector.small_files import SmallFiles
from spo_trace.collector.stacks import PAGE, SWAP, Stacks

__all__ = ["main"]

_MAX_READERS = 8
_MAX_SECONDS = 86400
_MAX_FD = (1 << 31) - 1

_USAGE = """\
usage: spo-collect [-j READERS] [-t SECONDS] [-r ROOT] [-p FD] [DIRECTORY]

Copy what spo-trace reads of this machine's kernel into the new directory DIRECTORY,
or as a tar archive to standard output. Only root can read debugfs.

  -j READERS  parallel readers of page_owner (1)
  -t SECONDS  give up page_owner_stacks if it gives no data for so long (10)
  -r ROOT     read a tree of copied files instead
  -p FD       write lines 'FILE POSITION' to this descriptor while reading

On a machine with spo-trace: ssh root@HOST spo-collect | spo-trace report -
"""

_BEFORE = {
    "cmdline": "proc/cmdline",
    "version": "proc/version",
    "boot_id": "proc/sys/kernel/random/boot_id",
    "block_size_bytes": "sys/devices/system/memory/block_size_bytes",
    "modules": "proc/modules",
    "slabinfo": "proc/slabinfo",
    "allocinfo": "proc/allocinfo",
    "pagetypeinfo": "proc/pagetypeinfo",
    "buddyinfo": "proc/buddyinfo",
    "uptime": "proc/uptime",
    "swaps": "proc/swaps",
    "zoneinfo": "proc/zoneinfo",
    "vmstat": "proc/vmstat",
    "meminfo": "proc/meminfo",
}


class _Options(NamedTuple):
    root: bytes = b""
    target: bytes | None = None
    timeout: float = 10
    progress: int | None = None


def main(arguments: Sequence[str]) -> NoReturn:
    """Collect a capture, and exit; the only reader is this process, whatever -j says."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        found = _collect(_parse(arguments))
    except (CollectError, OSError) as error:
        warn(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    if not found:
        warn(
            "page_owner could not be read: is this root, is debugfs mounted, "
            "and was the kernel booted with page_owner=on?"
        )
    sys.exit(not found)


def _parse(arguments: Sequence[str]) -> _Options:
    options = _Options()
    try:
        given, rest = getopt.gnu_getopt(list(arguments), "j:t:r:p:h")
    except getopt.GetoptError as error:
        print(f"spo-collect: {error}\n{_USAGE}", end="", file=sys.stderr)
        sys.exit(2)
    for option, value in given:
        if option == "-h":
            print(_USAGE, end="")
            sys.exit(0)
        elif option == "-j":
            _number(value, 1, _MAX_READERS)
        elif option == "-t":
            options = options._replace(timeout=_seconds(value))
        elif option == "-p":
            options = options._replace(progress=_number(value, 0, _MAX_FD))
        else:
            if not os.path.exists(value):
                raise CollectError(f"{value}: there is no such directory")
            root = os.path.realpath(os.fsencode(value))
            options = options._replace(root=b"" if root == b"/" else root)
    if len(rest) > 1:
        raise CollectError("name one directory")
    return options._replace(target=os.fsencode(rest[0]) if rest else None)


def _number(text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 11 and least <= int(text) <= most):
        raise CollectError(f"{text} is out of range")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.001 <= seconds <= _MAX_SECONDS:
        raise CollectError(f"{text} is out of range")
    return seconds


def _collect(options: _Options) -> bool:
    os.umask(0o077)
    progress = Progress(options.progress)
    with Output(options.target) as output:
        files = SmallFiles(output, options.root, options.timeout, progress)
        files.facts()
        list_processes(output, options.root)
        list_cgroups(output, options.root)
        for name, path in _BEFORE.items():
            files.copy(name, path)
        found = _read_owners(output, files, options.root, progress)
        progress.write(output)
        # Of a copied tree, these files are under the names that a capture has.
        ending = "-after" if options.root else ""
        files.copy("meminfo-after", f"proc/meminfo{ending}")
        files.copy("uptime-after", f"proc/uptime{ending}")
        output.commit()
    return found


def _read_owners(output: Output, files: SmallFiles, root: bytes, progress: Progress) -> bool:
    debugfs = find_debugfs(root)
    stacks = Stacks()
    records = RecordCopy(output, stacks, progress)
    found = records.copy("page_owner", PAGE, debugfs + b"/page_owner")
    # Right after page_owner, as the two are compared.
    files.copy_stacks("show_stacks", debugfs)
    files.copy_numbers("kpagecgroup", "proc/kpagecgroup")
    records.copy("swap_page_owner", SWAP, debugfs + b"/swap_page_owner")
    if records.handles_are_kernels:
        files.copy_stacks("show_stacks_handles", debugfs)
        files.copy_stacks("show_handles", debugfs)
        output.text("handles", b"kernel\n")
    else:
        stacks.write(Packed(output, "show_stacks_handles"))
        output.text("handles", b"collector\n")
    return found
