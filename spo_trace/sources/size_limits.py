# SPDX-License-Identifier: LGPL-2.1-or-later
"""Limits on the text of each file of a capture."""

from collections.abc import Iterable, Iterator

from spo_trace.formats.text import Outcome
from spo_trace.limits import (
    MAX_LINE_BYTES,
    MAX_LIST_BYTES,
    MAX_ONE_LINE_BYTES,
    MAX_PFN_FILE_BYTES,
    MAX_PROC_FILE_BYTES,
    MAX_STACKS_FILE_BYTES,
    MAX_ZONEINFO_BYTES,
)
from spo_trace.sources.source import BINARY_FILES, LISTS, STACK_FILES, TEXT_FILES

__all__ = ["bounded"]

_OF_FILE = {
    **dict.fromkeys(STACK_FILES, MAX_STACKS_FILE_BYTES),
    **dict.fromkeys(
        (
            *("cmdline", "uptime", "uptime-after", "boot_id", "uname", "date", "pagesize", "handles"),
            "block_size_bytes",
        ),
        MAX_ONE_LINE_BYTES,
    ),
    "zoneinfo": MAX_ZONEINFO_BYTES,
    **dict.fromkeys(BINARY_FILES, MAX_PFN_FILE_BYTES),
    **dict.fromkeys((*LISTS, "slabinfo", "allocinfo"), MAX_LIST_BYTES),
}


def bounded(name: str, chunks: Iterable[bytes], outcome: Outcome) -> Iterator[bytes]:
    """Yield the text of file `name` of PATHS up to its limit, and set `outcome.problem` if there is more.

    Files of records have no limit, but each of their lines has.
    """
    records = name in TEXT_FILES
    left = most = MAX_LINE_BYTES if records else _OF_FILE.get(name, MAX_PROC_FILE_BYTES)
    for chunk in chunks:
        left -= len(chunk)
        if records and b"\n" in chunk:
            left = most
        if left < 0:
            what = "a line" if records else "it"
            outcome.problem = f"{what} has more than {_shown(most)}"
            return
        yield chunk


def _shown(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"
