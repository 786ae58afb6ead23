# SPDX-License-Identifier: LGPL-2.1-or-later
"""The id of a snapshot in a fleet: a hash of its tables and of what the machine says about itself."""

import hashlib
import re

from spo_trace.snapshots.meta import MachineFacts

__all__ = ["is_file_name", "is_id", "is_raw_name", "raw_name", "snapshot_id"]

# Names of files are made of ids and days only, never of names that a machine chose.
_ID = r"[0-9a-f]{32}"
_FILE = re.compile(rf"(?:[0-9]{{8}}-)?{_ID}\.parquet")


def snapshot_id(digest: str, machine: MachineFacts) -> str:
    """Return the id of a snapshot as 32 hex digits; `digest`: of its tables."""
    own = (machine.host, machine.boot_id, machine.taken_at, machine.kernel_release, machine.uptime_start)
    return hashlib.blake2b(repr((digest, *own)).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def is_file_name(name: str) -> bool:
    """Return whether `name` is one that a fleet gives to its files: `ID.parquet` or `DAY-HASH.parquet`.

    >>> is_file_name("0123456789abcdef0123456789abcdef.parquet"), is_file_name("../../etc/passwd")
    (True, False)
    """
    return _FILE.fullmatch(name) is not None


def is_id(text: str) -> bool:
    """Return whether `text` is an id of a snapshot."""
    return re.fullmatch(_ID, text) is not None


def raw_name(id: str) -> str:
    """Return the name of a snapshot that is kept whole."""
    return f"{id}.spo"


def is_raw_name(name: str) -> bool:
    """Return whether `name` is one of `raw_name`."""
    return name.endswith(".spo") and is_id(name.removesuffix(".spo"))
