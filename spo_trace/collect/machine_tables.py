# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tables of processes, cgroups and slab caches: what the machine tells without page_owner."""

from collections.abc import Callable, Mapping, Sequence

from spo_trace import schema
from spo_trace.collect.machine_facts import optional_content
from spo_trace.collect.read_log import ReadLog
from spo_trace.formats.batch import to_batch
from spo_trace.formats.cgroups import leaf_name, parse_cgroups
from spo_trace.formats.escape import escape
from spo_trace.formats.processes import parse_processes
from spo_trace.formats.record import RejectSink
from spo_trace.formats.rows import CgroupRow, ProcessRow, SlabCacheRow
from spo_trace.formats.slabinfo import parse_slabinfo
from spo_trace.formats.text import Chunks, KernelText
from spo_trace.limits import MAX_MEMORY_BYTES, MAX_TEXT_BYTES
from spo_trace.snapshots.writer import SnapshotWriter
from spo_trace.sources.source import Source

__all__ = ["write_machine_tables"]

_Rows = Sequence[ProcessRow] | Sequence[CgroupRow] | Sequence[SlabCacheRow]


def write_machine_tables(source: Source, writer: SnapshotWriter, log: ReadLog, warnings: list[str]) -> None:
    """Write a table for each of the files `processes`, `cgroups` and `slabinfo` that `source` has."""
    for name, rows_of in _ROWS_OF.items():
        file = schema.OF_FILE[name]
        content = optional_content(source, warnings, file)
        if not content:
            continue
        with log.reading(KernelText(file, Chunks([content]), len(content))) as counts:
            rows = rows_of(content, log.reject)
            if sum(map(_bytes_of, rows)) > MAX_MEMORY_BYTES:
                warnings.append(f"{file}: it adds up to more memory than any machine has; it is left out")
            elif rows:
                counts.records += len(rows)
                writer.write(name, to_batch(schema.ALL_TABLES[name], rows))


# No page is smaller than 4 KiB.
def _bytes_of(row: ProcessRow | CgroupRow | SlabCacheRow) -> int:
    return row.slabs * row.pages_per_slab << 12 if isinstance(row, SlabCacheRow) else row.swap_bytes or 0


# Kernel threads have no swap.
def _processes(content: bytes, _: RejectSink) -> Sequence[ProcessRow]:
    found = parse_processes(content)
    return [ProcessRow(one.pid, one.comm, one.swap, one.swap_share) for one in found if one.swap is not None]


def _cgroups(content: bytes, _: RejectSink) -> Sequence[CgroupRow]:
    found = parse_cgroups(content)
    rows = [CgroupRow(escape(leaf_name(one.path)), escape(one.path), one.swap_bytes) for one in found]
    return [row for row in rows if len(row.memcg_path.encode()) <= MAX_TEXT_BYTES]


def _slab_caches(content: bytes, reject: RejectSink) -> Sequence[SlabCacheRow]:
    return list(parse_slabinfo(content, reject))


_ROWS_OF: Mapping[str, Callable[[bytes, RejectSink], _Rows]] = {
    "processes": _processes,
    "cgroups": _cgroups,
    "slab_caches": _slab_caches,
}
