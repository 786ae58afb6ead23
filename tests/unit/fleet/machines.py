# SPDX-License-Identifier: LGPL-2.1-or-later
"""Small snapshots of several machines for the tests of fleets."""

from pathlib import Path

from spo_trace.snapshots.reader import Snapshot
from tests.support import FS, MACHINE, SHMEM, entry, meminfo, page, snapshot_of, swaps

__all__ = ["BOOT", "CHARGED", "boot", "machine"]

CHARGED = b"Charged to memcg web.slice\n"
BOOT = b"%08d-2222-3333-4444-555555555555\n"


def boot(number: int) -> bytes:
    """Return the boot_id of a boot."""
    return BOOT % number


def machine(
    directory: Path,
    name: str,
    *,
    pages: int = 3,
    swapped: int | None = 2,
    kernel: bytes = b"7.2.13",
    page_kib: int = 4,
    boot_number: int = 1,
    date: str | None = None,
    uptime: int = 100,
    more: bytes = b"",
) -> Snapshot:
    """Return a snapshot of a machine called `name`: pages of ANON, one of FS and SHMEM each, and entries of swap.

    `swapped`: None if the owners of swap are unknown, while 5 pages are used. `pages`: of ANON, of order 0.
    """
    text = b"".join(page(0x100 + number, comm=b"leaky", tail=CHARGED) for number in range(pages))
    text += page(0x200, order=1, comm=b"dd", stack=FS) + page(0x300, comm=b"x\n=y", stack=SHMEM, tail=CHARGED) + more
    files = {
        **MACHINE,
        "uname": b"Linux %b %b #1 SMP Mon x86_64 GNU/Linux\n" % (name.encode(), kernel),
        "pagesize": b"%d\n" % (page_kib << 10),
        "boot_id": boot(boot_number),
        "uptime": b"%d.00 1.00\n" % uptime,
        "page_owner": text,
        "meminfo": meminfo(swap_total=1000, swap_free=995, page_kib=page_kib),
        "swaps": swaps(vda=5 if swapped is None else swapped),
    }
    if date is not None:
        files["date"] = date.encode() + b"\n"
    if swapped is not None:
        files["swap_page_owner"] = b"".join(entry(number + 1, comm=b"leaky") for number in range(swapped))
    return snapshot_of(directory, files, name=f"{name}-{boot_number}-{pages}-{kernel.decode()}"[:40].replace("/", "_"))
