# SPDX-License-Identifier: LGPL-2.1-or-later
"""The identity of a snapshot in the metadata of its Parquet files, for tools that look at one file alone."""

from spo_trace.schema import SCHEMA_VERSION
from spo_trace.snapshots.meta import MachineFacts

__all__ = ["identity_of"]

_PREFIX = "spo_trace."


def identity_of(machine: MachineFacts) -> dict[str, str]:
    """Return the key-value metadata of the files of a snapshot of `machine`; what is unknown is absent."""
    values = {
        "schema_version": str(SCHEMA_VERSION),
        "host": machine.host,
        "boot_id": machine.boot_id,
        "taken_at": machine.taken_at,
        "kernel": machine.kernel_release,
        "page_size": str(machine.page_size),
    }
    return {f"{_PREFIX}{name}": _encodable(value) for name, value in values.items() if value is not None}


# A capture may have any bytes there.
def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
