# SPDX-License-Identifier: LGPL-2.1-or-later
"""Dumps that makedumpfile has filtered, compared with whole ones."""

import shutil
import struct
import subprocess
from pathlib import Path

from spo_trace.memory.capture import MemoryCapture
from spo_trace.memory.dump import kernel_of, open_dump
from tests.oracle.captures import read

__all__ = ["LEVELS", "check_filtered", "for_makedumpfile", "has_makedumpfile"]

# Zeros; also page cache and free pages; also user memory, of which some is none.
LEVELS = (1, 23, 31)
UNKNOWN = {b"Charged to memcg ?", b"Charged (via objcg) to memcg ?"}


def has_makedumpfile() -> bool:
    """Return whether makedumpfile is installed."""
    return shutil.which("makedumpfile") is not None


def check_filtered(source: Path, whole: Path, level: int, scratch: Path) -> None:
    """Filter the ELF dump `source` by `level`: all pages are still there, and missing owners of swap are counted.

    `whole`: the capture of the whole dump.
    """
    target = scratch / f"d{level}"
    command = ["makedumpfile", "-c", "-d", str(level), str(source), str(target)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with target.open("rb") as file:
        capture = MemoryCapture(kernel_of(open_dump(file)))
        pages = b"".join(capture.page_owner())
        count = capture.swap_count
    target.unlink()
    assert capture.unread_pages == 0
    # Memory cgroups are structures like any other, and may be left out by chance, too.
    by_chance = bool(level & 8)
    pairs = zip(_lines(pages, by_chance), _lines(read(whole, "page_owner"), by_chance), strict=True)
    assert {mine for mine, full in pairs if mine != full} <= (UNKNOWN if by_chance else set())
    everything = read(whole, "swap_page_owner").count(b"SWP entry ")
    assert count.used == everything
    # User memory contains nodes and records by chance, none or all of them.
    assert (count.records == everything) == (count.lost == 0)
    assert count.lost == 0 or by_chance


# An unknown memory cgroup has no path.
def _lines(pages: bytes, by_chance: bool) -> list[bytes]:
    return [line for line in pages.split(b"\n") if not (by_chance and line.startswith(b"Memory cgroup path: "))]


def for_makedumpfile(source: Path, target: Path) -> Path:
    """Copy an ELF dump of QEMU 7.2 with e_ehsize 64 and its program headers at 64, as makedumpfile 1.7 needs them."""
    shutil.copyfile(source, target)
    with target.open("r+b") as file:
        header = bytearray(file.read(64))
        start, count = struct.unpack_from("<Q", header, 32)[0], struct.unpack_from("<H", header, 56)[0]
        file.seek(start)
        programs = file.read(56 * count)
        struct.pack_into("<QQ", header, 32, 64, 0)
        struct.pack_into("<HHHHHH", header, 52, 64, 56, count, 0, 0, 0)
        file.seek(0)
        file.write(header + programs)
    return target
