# SPDX-License-Identifier: LGPL-2.1-or-later
"""The row of a snapshot in the catalog of a fleet."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime

import pyarrow as pa

from spo_trace.fleet.cube import Cube
from spo_trace.fleet.tables import SNAPSHOTS
from spo_trace.formats.escape import escape
from spo_trace.snapshots.meta import Meta

__all__ = ["Entry", "Given", "entry_of", "entry_table"]

# What the kernel calls a machine that was given no name.
_NAMELESS = ("", "(none)")


@dataclass(frozen=True, slots=True)
class Given:
    """Hold what the user says about the snapshots to add, instead of or in addition to what they say themselves."""

    host: str | None = None
    time: datetime | None = None
    labels: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """Hold one row of the catalog; the fields are the columns of `tables.SNAPSHOTS`."""

    id: str
    host: str | None
    reported_host: str | None
    labels: list[tuple[str, str]]
    boot_id: str | None
    kernel: str | None
    kernel_version: str | None
    arch: str | None
    taken_at: datetime | None
    received_at: datetime
    uptime: float | None
    page_size: int
    mem_known: bool
    swap_known: bool
    swap_cache_known: bool
    unknown_in_pages: list[str]
    unknown_in_swap: list[str]
    records: int
    swap_records: int
    malformed: int
    mem_total: int | None
    mem_free: int | None
    swap_total: int | None
    swap_used: int | None
    swap_unowned: int | None
    tool_version: str | None
    snapshot_version: int
    cube_file: str
    cube_bytes: int


def entry_of(meta: Meta, cube: Cube, given: Given, *, id: str, cube_bytes: int) -> Entry:
    """Return the row of a snapshot whose cube has been written."""
    machine = meta.machine
    reported = None if machine.host is None else _name(machine.host)
    named = reported if reported not in _NAMELESS else None
    used = _swap_used(meta)
    return Entry(
        id=id,
        host=named if given.host is None else _name(given.host),
        reported_host=reported,
        labels=sorted((given.labels or {}).items()),
        boot_id=machine.boot_id,
        kernel=machine.kernel_release,
        kernel_version=machine.kernel_version,
        arch=machine.arch,
        taken_at=given.time or _time(machine.taken_at),
        received_at=datetime.now(UTC),
        uptime=machine.uptime_start,
        page_size=machine.page_size,
        mem_known="mem" not in meta.unknown_amounts,
        swap_known="swap" not in meta.unknown_amounts,
        swap_cache_known=cube.swap_cache_known and not meta.unknown_amounts,
        unknown_in_pages=cube.unknown_in_pages,
        unknown_in_swap=cube.unknown_in_swap,
        records=_records(meta, "page_owner"),
        swap_records=_records(meta, "swap_page_owner") + _records(meta, "bpf"),
        malformed=sum(counts.malformed for counts in meta.files.values()),
        mem_total=machine.meminfo.get("MemTotal"),
        mem_free=machine.meminfo.get("MemFree"),
        swap_total=machine.meminfo.get("SwapTotal"),
        swap_used=used,
        swap_unowned=used if meta.swap_owner.origin is None else meta.swap_owner.unknown_pages * machine.page_size,
        tool_version=meta.tool_version,
        snapshot_version=meta.schema_version,
        cube_file=f"{id}.parquet",
        cube_bytes=cube_bytes,
    )


def entry_table(entry: Entry) -> pa.Table:
    """Return the row as a table."""
    return pa.table([[getattr(entry, field.name)] for field in fields(entry)], schema=SNAPSHOTS)


def _name(text: str) -> str:
    return escape(text.encode("utf-8", "surrogateescape"))


def _records(meta: Meta, file: str) -> int:
    return meta.files[file].records if file in meta.files else 0


def _swap_used(meta: Meta) -> int | None:
    machine = meta.machine
    if machine.swaps:
        return machine.swap_used
    total, free = (machine.meminfo.get(name) for name in ("SwapTotal", "SwapFree"))
    return None if total is None or free is None else total - free


# As `date -u` prints it in English. In another time zone, the name of the zone does not tell the offset.
_OF_DATE = "%a %b %d %H:%M:%S UTC %Y"


# In a capture, it is any text.
def _time(text: str | None) -> datetime | None:
    for parse in (datetime.fromisoformat, _of_date):
        with suppress(ValueError, OverflowError):
            found = None if text is None else parse(text.strip())
            return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)
    return None


def _of_date(text: str) -> datetime:
    return datetime.strptime(text, _OF_DATE).replace(tzinfo=UTC)
